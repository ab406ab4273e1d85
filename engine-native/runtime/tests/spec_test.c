/* The spec parser: what it takes, and that every refusal names its key. */
#include "../shim/spec.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "check.h"

static const char base[] = "\"id\":\"abc\",\"runDir\":\"/r\",\"stateDir\":\"/s\","
                           "\"root\":{\"lower\":[\"/l\"],\"upper\":\"/s/upper\",\"work\":\"/s/work\"},"
                           "\"process\":{\"args\":[\"true\"],\"env\":[],\"cwd\":\"/\",\"user\":\"\"}";

static struct spec spec;

static void release(void) {
    free(spec.lower);
    free(spec.mounts);
    free(spec.devices);
    free(spec.device_rules);
    free(spec.rlimits);
    free(spec.sysctls);
    free(spec.interfaces);
    free(spec.ports);
    free(spec.masked);
    free(spec.readonly);
    spec_free_process(&spec.process);
}

/* The error's message, or "" when the spec is fine. Members of `extra` come behind the base. */
static const char *parse(const char *extra) {
    static char text[8192];
    static struct err err;

    err = (struct err){0};
    (void)snprintf(text, sizeof(text), "{%s%s%s}", base, extra[0] ? "," : "", extra);
    struct json_doc *doc = json_parse(text, strlen(text), &err);
    CHECK(doc != NULL);
    int rc = spec_parse(json_root(doc), &spec, &err);
    release();
    json_free(doc);
    CHECK(rc == 0 || err.code == ERR_BAD_REQUEST || err.code == ERR_UNSUPPORTED);
    return rc ? err.message : "";
}

static bool refuses(const char *extra, const char *naming) {
    const char *message = parse(extra);
    bool right = strstr(message, naming) != NULL;
    if (!right)
        (void)fprintf(stderr, "%s: \"%s\"\n", extra, message);
    return right;
}

static void accepts(void) {
    CHECK(strcmp(parse(""), "") == 0);
    CHECK(!spec.userns && spec.no_new_privileges && spec.seccomp && spec.network_mode == NET_NONE);
    CHECK(strcmp(parse("\"userns\":{\"base\":100000,\"size\":65536},\"capabilities\":[\"CAP_CHOWN\"],"
                       "\"rlimits\":[{\"type\":\"nofile\",\"soft\":10,\"hard\":-1}],"
                       "\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/t\",\"size\":5,\"mode\":755}]"),
                 "") == 0);
    CHECK(spec.userns && spec.userns_base == 100000 && spec.capabilities == 1ULL << CAP_CHOWN);
    CHECK(strcmp(parse("\"privileged\":true"), "") == 0);
    CHECK(spec.capabilities == spec_all_capabilities());
    CHECK(strcmp(parse("\"sysctls\":{\"net.ipv4.ip_unprivileged_port_start\":\"0\",\"kernel.shmmax\":\"1\"}"),
                 "") == 0);
    CHECK(
        strcmp(
            parse(
                "\"ports\":[{\"proto\":\"udp\",\"ip\":\"::\",\"port\":53}],\"network\":{\"mode\":\"bridge\","
                "\"interfaces\":[{\"bridge\":\"b\",\"hostIfname\":\"h\",\"address6\":\"fd00::5/64\"}]}"),
            "") == 0);
    CHECK(spec.interface_count == 1 && spec.port_count == 1);
}

static void refusals(void) {
    CHECK(refuses("\"userns\":{\"base\":0,\"size\":1}", "base"));
    CHECK(refuses("\"userns\":{\"base\":4294967000,\"size\":65536}", "size"));
    CHECK(refuses("\"capabilities\":[\"CAP_NOPE\"]", "\"CAP_NOPE\""));
    CHECK(refuses("\"capabilities\":\"CAP_CHOWN\"", "capabilities"));
    CHECK(refuses("\"mounts\":[{\"type\":\"bind\",\"source\":\"rel\",\"target\":\"/x\"}]", "\"rel\""));
    CHECK(refuses("\"mounts\":[{\"type\":\"bind\",\"source\":\"/a\",\"target\":\"/x/../../y\"}]", "\"..\""));
    CHECK(refuses("\"mounts\":[{\"type\":\"nfs\",\"target\":\"/x\"}]", "\"nfs\""));
    CHECK(refuses("\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/x\",\"mode\":1888}]", "mode"));
    CHECK(
        refuses("\"devices\":[{\"path\":\"/etc/x\",\"type\":\"c\",\"major\":1,\"minor\":3}]", "\"/etc/x\""));
    CHECK(
        refuses("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":\"x\"}]",
                "access"));
    CHECK(refuses("\"sysctls\":{\"kernel.core_pattern\":\"|/evil\"}", "\"kernel.core_pattern\""));
    CHECK(refuses("\"sysctls\":{\"net.a\":\"1\"},\"network\":{\"mode\":\"host\"}", "\"net.a\""));
    CHECK(refuses("\"sysctls\":{\"net.../../kernel.x\":\"1\"}", "malformed"));
    CHECK(refuses("\"userns\":{\"base\":1000,\"size\":10},\"namespaces\":{\"pid\":\"/proc/9/ns/pid\"}",
                  "pid namespace"));
    CHECK(refuses("\"cgroup\":\"../x\"", "\"../x\""));
    CHECK(refuses("\"cgroup\":\"/x\"", "\"/x\""));
    CHECK(refuses("\"network\":{\"mode\":\"magic\"}", "\"magic\""));
    CHECK(refuses("\"network\":{\"mode\":\"bridge\"}", "interfaces"));
    CHECK(refuses("\"network\":{\"mode\":\"bridge\",\"interfaces\":[]}", "interfaces"));
    CHECK(refuses("\"network\":{\"mode\":\"bridge\",\"interfaces\":[{\"bridge\":\"b\"}]}", "hostIfname"));
    CHECK(refuses("\"ports\":[{\"proto\":\"icmp\",\"port\":1}]", "\"icmp\""));
    CHECK(refuses("\"ports\":[{\"proto\":\"tcp\",\"port\":0}]", "port"));
    CHECK(refuses("\"rlimits\":[{\"type\":\"x\",\"soft\":1,\"hard\":1}]", "\"x\""));
    CHECK(refuses("\"seccomp\":\"maybe\"", "\"maybe\""));
    CHECK(refuses("\"resources\":{\"memory\":-5}", "memory"));
    CHECK(refuses("\"oomScoreAdj\":2000", "oomScoreAdj"));
    CHECK(refuses("\"log\":{\"path\":\"relative\"}", "\"relative\""));
}

int main(void) {
    accepts();
    refusals();
    return checks_done("spec");
}
