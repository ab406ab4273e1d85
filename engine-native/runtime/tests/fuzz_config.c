/* libFuzzer's entry for a bundle's config.json: all of it is read, and its system call profile compiled. */
#include "../lib/cleanup.h"
#include "../oci/config.h"
#include "../seccomp/profile.h"
#include "fuzz.h"

static const char config[] = "{\"ociVersion\":\"1.0.2\",\"process\":{\"terminal\":true,\"consoleSize\":{"
                             "\"height\":24,\"width\":80},\"user\":{\"uid\":1,"
                             "\"gid\":2,\"umask\":18,\"additionalGids\":[3]},\"args\":[\"sh\"],\"env\":["
                             "\"PATH=/bin\"],\"cwd\":\"/\",\"capabilities\":"
                             "{\"bounding\":[\"CAP_KILL\"],\"effective\":[\"CAP_KILL\"],\"inheritable\":[],"
                             "\"permitted\":[\"CAP_KILL\"],\"ambient\":[]},"
                             "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,\"soft\":1024}],"
                             "\"noNewPrivileges\":true,\"oomScoreAdj\":5,"
                             "\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":4}},\"root\":{"
                             "\"path\":\"rootfs\",\"readonly\":true},"
                             "\"hostname\":\"h\",\"mounts\":[{\"destination\":\"/"
                             "proc\",\"type\":\"proc\",\"source\":\"proc\",\"options\":[\"nosuid\"]},"
                             "{\"destination\":\"/"
                             "t\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"size=5k\",\"mode="
                             "755\",\"tmpcopyup\",\"ro\"]},"
                             "{\"destination\":\"/b\",\"type\":\"none\",\"source\":\"/"
                             "tmp\",\"options\":[\"rbind\",\"rprivate\",\"rro\",\"idmap\"],"
                             "\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}],"
                             "\"gidMappings\":[{\"containerID\":0,\"hostID\":1000,"
                             "\"size\":1}]}],\"hooks\":{\"prestart\":[{\"path\":\"/bin/"
                             "true\",\"args\":[\"true\"],\"env\":[\"A=b\"],\"timeout\":5}]},"
                             "\"annotations\":{\"a\":\"b\"}}";

static const char linux_part[] =
    "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{"
    "\"type\":\"network\",\"path\":"
    "\"/proc/1/ns/"
    "net\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},{\"type\":\"user\"},{\"type\":"
    "\"cgroup\"},"
    "{\"type\":\"time\"}],\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":65536}],"
    "\"gidMappings\":[{\"containerID\":0,"
    "\"hostID\":1000,\"size\":65536}],\"devices\":[{\"path\":\"/dev/"
    "fuse\",\"type\":\"c\",\"major\":10,\"minor\":229,\"fileMode\":438,"
    "\"uid\":0,\"gid\":0}],\"cgroupsPath\":\"/a/"
    "b\",\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},{\"allow\":true,"
    "\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":\"rw\"}],\"memory\":{\"limit\":-1}},"
    "\"rootfsPropagation\":\"rslave\","
    "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1,\"architectures\":[\"SCMP_ARCH_"
    "X86_64\",\"SCMP_ARCH_X86\"],"
    "\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\"],\"syscalls\":[{\"names\":[\"read\",\"personality\"],\"action\":"
    "\"SCMP_ACT_ALLOW\",\"args\":"
    "[{\"index\":0,\"value\":8,\"valueTwo\":0,\"op\":\"SCMP_CMP_EQ\"}]},{\"names\":[\"clone\"],\"action\":"
    "\"SCMP_ACT_ERRNO\","
    "\"errnoRet\":38,\"args\":[{\"index\":0,\"value\":2114060288,\"valueTwo\":0,\"op\":\"SCMP_CMP_MASKED_"
    "EQ\"}]}]},"
    "\"maskedPaths\":[\"/proc/kcore\"],\"readonlyPaths\":[\"/proc/"
    "sys\"],\"sysctl\":{\"net.ipv4.ip_forward\":\"1\"},\"personality\":"
    "{\"domain\":\"LINUX\"},\"timeOffsets\":{\"boottime\":{\"secs\":-7,\"nanosecs\":5}}}}";

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    fuzz_seed_text(*argc, *argv, 0, config);
    fuzz_seed_text(*argc, *argv, 1, linux_part);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err err = {0};
    struct oci_config read = {0};
    auto_free char *text = fuzz_exact(data, size);
    auto_json struct json_doc *doc = json_parse((char *)text, size, &err);

    if (!doc)
        return 0;
    int rc = config_read(json_root(doc), &read, &err);
    if (rc && err.code == ERR_NONE)
        abort(); /* a refusal must say why */
    if (rc == 0 && read.seccomp)
        free(seccomp_profile_compile(read.seccomp, &err));
    config_free(&read);
    return 0;
}
