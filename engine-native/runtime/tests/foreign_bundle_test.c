/* What another OCI runtime is given, and how what it says is read. */
#include "../shim/foreign_bundle.h"

#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>

#include "check.h"

static char *args[] = {(char[]){"sh"}, NULL};
static char *env[] = {(char[]){"A=b"}, NULL};

static struct json_doc *config_of(struct spec *spec, const struct identity *identity, struct json_out *out) {
    static const char given[] = "{\"ociVersion\":\"1.0.2\",\"process\":{\"oomScoreAdj\":7},"
                                "\"linux\":{\"cgroupsPath\":\"/x\"},\"mounts\":[]}";
    struct err err = {0};
    struct json_doc *input = json_parse(given, strlen(given), &err);

    spec->runtime.config = json_root(input);
    foreign_put_config(out, spec, identity);
    CHECK(json_out_finish(out, &err) == 0);
    json_free(input);
    struct json_doc *doc = json_parse(out->data, out->len, &err);
    CHECK(doc != NULL);
    return doc;
}

static void checks_config(void) {
    struct rlimit_spec limit = {RLIMIT_NOFILE, 10, RLIM_INFINITY};
    struct spec spec = {.process = {.args = args, .env = env, .cwd = "/w", .user = "app"},
                        .no_new_privileges = true,
                        .seccomp = true,
                        .rlimits = &limit,
                        .rlimit_count = 1};
    struct identity identity = {
        .uid = 1000, .gid = 1001, .groups = {1001, 5}, .group_count = 2, .home = "/h"};
    auto_json_out struct json_out out = {0};
    auto_json struct json_doc *doc = config_of(&spec, &identity, &out);
    const struct json *process = json_get(json_root(doc), "process");
    const struct json *linux_part = json_get(json_root(doc), "linux");
    int64_t number = 0;
    struct err err = {0};

    CHECK(json_need_int(process, "oomScoreAdj", 7, 7, &number, &err) == 0);
    CHECK(json_need_int(json_get(process, "user"), "uid", 1000, 1000, &number, &err) == 0);
    CHECK(strcmp(json_get(process, "env")->raw, "") != 0);
    CHECK(strncmp(json_get(process, "env")->raw, "[\"A=b\",\"HOME=/h\"]", 17) == 0);
    CHECK(strstr(json_get(process, "rlimits")->raw, "RLIMIT_NOFILE") != NULL);
    CHECK(strstr(json_get(process, "rlimits")->raw, "18446744073709551615") != NULL);
    CHECK(!json_get(json_get(process, "capabilities"), "effective")); /* no root */
    CHECK(json_get(linux_part, "cgroupsPath") != NULL);
    CHECK(strncmp(json_get(linux_part, "seccomp")->raw, "{\"defaultAction\":\"SCMP_ACT_ERRNO\"", 33) == 0);
}

/* Whether the default policy names a call at all. */
static bool policy_names(uint64_t caps, const char *call) {
    struct spec spec = {
        .process = {.args = args, .env = env, .cwd = "/"}, .seccomp = true, .capabilities = caps};
    struct identity identity = {.home = "/"};
    auto_json_out struct json_out out = {0};
    auto_json struct json_doc *doc = config_of(&spec, &identity, &out);

    return doc && strstr(json_get(json_get(json_root(doc), "linux"), "seccomp")->raw, call) != NULL;
}

static void checks_policy(void) {
    uint64_t admin = 1ULL << CAP_SYS_ADMIN;

    CHECK(policy_names(0, "\"openat\"") && policy_names(0, "\"socket\"") && policy_names(0, "\"clone\""));
    CHECK(!policy_names(0, "\"mount\"") && policy_names(admin, "\"mount\""));
    CHECK(!policy_names(admin, "\"io_uring_setup\"") && !policy_names(admin, "\"keyctl\""));
    CHECK(policy_names(0, "2114060288") && !policy_names(admin, "2114060288"));
}

static bool says(const char *log, const char *message) {
    char found[64];

    foreign_last_error(log, strlen(log), found, sizeof(found));
    return strcmp(found, message) == 0;
}

static void checks_errors(void) {
    CHECK(says("", ""));
    CHECK(says("{\"level\":\"warning\",\"msg\":\"w\"}\n", ""));
    CHECK(says("{\"level\":\"error\",\"msg\":\"a\"}\n{\"level\":\"error\",\"msg\":\"b\"}\n", "b"));
    CHECK(says("{\"level\":\"error\",\"msg\":\"a\"}\n{\"level\":\"info\",\"msg\":\"i\"}", "a"));
    CHECK(says("plain words\n", "plain words"));
    CHECK(says("{\"level\":\"error\",\"msg\":7}\n{\"level\":5}\n", ""));
}

int main(void) {
    checks_config();
    checks_policy();
    checks_errors();
    return checks_done("foreign_bundle");
}
