/* libFuzzer's entry for an image's /etc/passwd and /etc/group: the input is both, with the wanted user before
 * them. */
#include <sys/mman.h>

#include "../lib/cleanup.h"
#include "../shim/identity.h"
#include "fuzz.h"

static char folder[] = "/tmp/fuzz-identity-XXXXXX";
static int root = -1;

static void remove_folder(void) {
    (void)unlinkat(root, "etc/passwd", 0);
    (void)unlinkat(root, "etc/group", 0);
    (void)unlinkat(root, "etc", AT_REMOVEDIR);
    (void)rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    static const char seed[] = "app:web\n/root:x:0:0::/root:/bin/sh\napp:x:1000:1001:,,,:/home/app:/bin/sh\n/"
                               "root:x:0:\nweb:x:33:app,root\napp:x:1001:\n";

    fuzz_seed_text(*argc, *argv, 0, seed);
    fuzz_seed_text(*argc, *argv, 1, "1000\n/app:x:1000:4294967295::/:\n/x:x:99999999999:1000,app\n");
    if (!mkdtemp(folder))
        abort();
    root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || mkdirat(root, "etc", 0755))
        abort();
    (void)atexit(remove_folder);
    return 0;
}

static void write_file(const char *path, const char *text, size_t len) {
    int fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || write(fd, text, len) != (ssize_t)len || close(fd))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct identity identity;
    struct err err = {0};
    auto_free char *text = fuzz_text(data, size);
    char *first = strchr(text, '\n');
    char *second = first ? strstr(first, "\n/") : NULL;

    if (!first)
        return 0;
    *first++ = '\0';
    size_t rest = size - (size_t)(first - text);
    size_t passwd = second && second > first ? (size_t)(second - first) : rest;
    write_file("etc/passwd", first, passwd);
    write_file("etc/group", first + passwd, rest - passwd);
    if (identity_resolve(root, text, &identity, &err))
        return err.code == ERR_NONE ? abort(), 0 : 0;
    /* Both would mean "unchanged" to the kernel: root. */
    if (identity.uid == (uid_t)-1 || identity.gid == (gid_t)-1 || identity.group_count < 1 ||
        identity.group_count > IDENTITY_GROUPS_MAX || identity.groups[0] != identity.gid)
        abort();
    char *groups[] = {(char *)"web", text, NULL};
    (void)identity_add_groups(root, groups, &identity, &err);
    return 0;
}
