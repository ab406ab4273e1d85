/* config.json: what a whole one becomes, each rule that refuses one, and a few thousand damaged ones. */
#include "../oci/config.h"

#include <stdlib.h>
#include <string.h>

#include "../shim/kernel.h"
#include "check.h"

static const char whole[] =
    "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\",\"readonly\":true},\"hostname\":\"h\","
    "\"process\":{\"args\":[\"/bin/sh\",\"-c\",\"x\"],\"cwd\":\"/\",\"env\":[\"A=B\"],\"terminal\":true,"
    "\"consoleSize\":{\"height\":24,\"width\":80},\"user\":{\"uid\":1,\"gid\":2,\"umask\":63,"
    "\"additionalGids\":[3,4]},"
    "\"capabilities\":{\"bounding\":[\"CAP_CHOWN\"],\"ambient\":[\"CAP_KILL\"]},\"oomScoreAdj\":-5,"
    "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":1024,\"hard\":18446744073709551615}],"
    "\"noNewPrivileges\":true},"
    "\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"options\":[\"nosuid\",\"ro\"]},"
    "{\"destination\":\"/tmp\",\"type\":\"tmpfs\",\"options\":[\"size=64k\",\"tmpcopyup\",\"strictatime\"]},"
    "{\"destination\":\"/data\",\"source\":\"/srv\",\"options\":[\"rbind\",\"rro\",\"rslave\"]}],"
    "\"hooks\":{\"prestart\":[{\"path\":\"/"
    "h\",\"args\":[\"h\"],\"timeout\":3}]},\"annotations\":{\"a\":\"b\"},"
    "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"uts\"},{\"type\":\"network\",\"path\":\"/"
    "n\"}],"
    "\"devices\":[{\"path\":\"/dev/fuse\",\"type\":\"c\",\"major\":10,\"minor\":229,\"fileMode\":432}],"
    "\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]},\"sysctl\":{\"net.ipv4.ip_forward\":"
    "\"1\"},"
    "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"},\"maskedPaths\":[\"/proc/kcore\"],"
    "\"rootfsPropagation\":\"rslave\",\"personality\":{\"domain\":\"LINUX32\"}}}";

static struct err last_error;

static bool reads(const char *text, struct oci_config *config, struct json_doc **doc) {
    memset(&last_error, 0, sizeof(last_error));
    *config = (struct oci_config){.version = NULL};
    *doc = json_parse(text, strlen(text), &last_error);
    return *doc && config_read(json_root(*doc), config, &last_error) == 0;
}

static bool accepts(const char *text) {
    struct oci_config config;
    struct json_doc *doc;
    bool is_accepted = reads(text, &config, &doc);

    config_free(&config);
    json_free(doc);
    return is_accepted;
}

/* `whole` with one piece replaced. */
static bool accepts_with(const char *from, const char *to) {
    char text[2 * sizeof(whole)];
    const char *at = strstr(whole, from);

    CHECK(at != NULL);
    if (!at)
        return false;
    (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - whole), whole, to, at + strlen(from));
    return accepts(text);
}

static void reads_a_whole_one(void) {
    struct oci_config c;
    struct json_doc *doc;

    CHECK(reads(whole, &c, &doc));
    CHECK(c.process.uid == 1 && c.process.gid == 2 && c.process.umask == 63 && c.process.group_count == 2);
    CHECK(c.process.program.rows == 24 && c.process.program.cols == 80 && c.process.program.tty);
    CHECK(c.process.capabilities.bounding == 1 && c.process.capabilities.ambient == 1ULL << 5);
    CHECK(c.process.rlimit_count == 1 && c.process.rlimits[0].hard == UINT64_MAX);
    CHECK(c.process.has_oom_score && c.process.oom_score_adj == -5);
    CHECK(c.mount_count == 3);
    CHECK(c.mounts[0].set == (MOUNT_ATTR_NOSUID | MOUNT_ATTR_RDONLY) && !c.mounts[0].bind);
    CHECK(c.mounts[1].copy_up && c.mounts[1].option_count == 1 && strcmp(c.mounts[1].options[1], "64k") == 0);
    CHECK(c.mounts[1].set == MOUNT_ATTR_STRICTATIME && c.mounts[1].clear == MOUNT_ATTR__ATIME);
    CHECK(c.mounts[2].bind_recursive && c.mounts[2].recursive_set == MOUNT_ATTR_RDONLY &&
          c.mounts[2].set == 0);
    CHECK(c.mounts[2].is_propagation_recursive && c.mounts[2].propagation != 0);
    CHECK(c.hooks[HOOK_PRESTART].count == 1 && c.hooks[HOOK_PRESTART].list[0].timeout_s == 3);
    CHECK(c.namespaces[NS_MOUNT].wanted && !c.namespaces[NS_MOUNT].path && c.namespaces[NS_NET].path);
    CHECK(!c.namespaces[NS_USER].wanted && c.device_count == 1 && c.devices[0].mode == 0660);
    CHECK(c.device_rule_count == 1 && c.device_rules[0].type == 'a' && c.device_rules[0].major == -1);
    CHECK(c.sysctl_count == 1 && c.masked[0] && !c.masked[1] && c.personality == 8);
    config_free(&c);
    json_free(doc);
}

static void refuses_what_is_wrong(void) {
    CHECK(accepts("{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"}}"));
    CHECK(!accepts("{\"ociVersion\":\"invalid\",\"root\":{\"path\":\"r\"}}"));
    CHECK(!accepts("{\"root\":{\"path\":\"r\"}}"));
    CHECK(!accepts("{\"ociVersion\":\"1.0.0\"}"));
    CHECK(!accepts("[]"));
    CHECK(!accepts_with("\"cwd\":\"/\"", "\"cwd\":\"here\""));
    CHECK(!accepts_with("[\"/bin/sh\",\"-c\",\"x\"]", "[]"));
    CHECK(!accepts_with("\"uid\":1", "\"uid\":4294967295"));
    CHECK(!accepts_with("CAP_CHOWN", "CAP_TEST"));
    CHECK(!accepts_with("RLIMIT_NOFILE", "RLIMIT_TEST"));
    CHECK(!accepts_with("\"-c\"", "1"));
    CHECK(!accepts_with("{\"type\":\"uts\"}", "{\"type\":\"mount\"}"));
    CHECK(!accepts_with("{\"type\":\"uts\"}",
                        "{\"type\":\"cgroup\"}")); /* a hostname without a uts namespace */
    CHECK(!accepts_with("\"path\":\"/n\"", "\"path\":\"n\""));
    CHECK(!accepts_with("{\"type\":\"network\",\"path\":\"/n\"}",
                        "{\"type\":\"ipc\"}")); /* a net.* sysctl without it */
    CHECK(!accepts_with("net.ipv4.ip_forward", "kernel.panic"));
    CHECK(!accepts_with("net.ipv4.ip_forward", "net/../kernel/panic"));
    CHECK(!accepts_with("{\"type\":\"uts\"}", "{\"type\":\"uts\"},{\"type\":\"user\"}"));
    CHECK(!accepts_with("\"/h\"", "\"h\""));
    CHECK(!accepts_with("\"rbind\",", "\"remount\","));
    CHECK(!accepts_with("\"rootfsPropagation\":\"rslave\"", "\"rootfsPropagation\":\"odd\""));
    CHECK(!accepts_with("\"noNewPrivileges\":true", "\"scheduler\":{\"policy\":\"SCHED_FIFO\"}"));
    CHECK(last_error.code == ERR_UNSUPPORTED);
}

static void survives_damage(void) {
    char text[sizeof(whole)];
    unsigned seed = 1;

    for (int i = 0; i < 5000; i++) {
        memcpy(text, whole, sizeof(whole));
        for (int n = 0; n < 3; n++) {
            seed = seed * 1103515245 + 12345;
            size_t at = (seed >> 8) % (sizeof(whole) - 1);
            text[at] = i % 2 ? whole[(at * 7 + (unsigned)n) % (sizeof(whole) - 1)] : (char)(seed >> 16 | 1);
        }
        (void)accepts(text);
    }
    for (size_t len = 0; len < sizeof(whole) - 1; len++) {
        memcpy(text, whole, len);
        text[len] = '\0';
        CHECK(!accepts(text));
    }
}

int main(void) {
    reads_a_whole_one();
    refuses_what_is_wrong();
    survives_damage();
    return checks_done("oci_config");
}
