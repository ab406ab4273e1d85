/* Paths of a hostile image: no link, no ".." and no missing parent leads outside of the root. */
#include "../shim/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../shim/identity.h"
#include "check.h"

static char folder[] = "/tmp/shim-resolve-test-XXXXXX";
static int root;

static bool exists(const char *path) {
    struct stat st;
    return fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool same(int fd, const char *path) {
    struct stat a, b;
    bool equal = fd >= 0 && fstat(fd, &a) == 0 && fstatat(root, path, &b, 0) == 0 && a.st_ino == b.st_ino;
    if (fd >= 0)
        (void)close(fd);
    return equal;
}

static void links_stay_inside(void) {
    CHECK(mkdirat(root, "etc", 0755) == 0);
    CHECK(symlinkat("/etc", root, "absolute") == 0);
    CHECK(symlinkat("../../../../etc", root, "upwards") == 0);
    CHECK(same(resolve_in_root(root, "/absolute"), "etc"));
    CHECK(same(resolve_in_root(root, "/upwards"), "etc"));
    CHECK(same(resolve_in_root(root, "/../../etc"), "etc"));
    CHECK(resolve_plain(root, "/absolute") < 0 && errno == ELOOP);
    CHECK(symlinkat("/proc/self/cwd", root, "magic") == 0);
    CHECK(resolve_in_root(root, "/magic") < 0);
}

static void missing_parts_are_made_inside(void) {
    struct err err = {0};

    CHECK(same(resolve_or_make(root, "/new/deep/folder", true, &err), "new/deep/folder"));
    CHECK(same(resolve_or_make(root, "/new/deep/file", false, &err), "new/deep/file"));
    CHECK(symlinkat("../run/resolv.conf", root, "etc/resolv.conf") == 0); /* dangling, as images ship it */
    CHECK(same(resolve_or_make(root, "/etc/resolv.conf", false, &err), "run/resolv.conf"));
    CHECK(symlinkat("/../../outside/x", root, "escape") == 0);
    CHECK(same(resolve_or_make(root, "/escape", false, &err), "outside/x"));
    CHECK(access("/outside", F_OK) != 0);
    CHECK(symlinkat("loop", root, "loop") == 0);
    CHECK(resolve_or_make(root, "/loop/x", true, &err) < 0);
    CHECK(symlinkat("b", root, "a") == 0 && symlinkat("a", root, "b") == 0);
    CHECK(resolve_or_make(root, "/a", true, &err) < 0);
    CHECK(resolve_or_make(root, "/new/deep/file/below", true, &err) < 0);
}

static void system_folders_are_plain(void) {
    struct err err = {0};

    CHECK(same(resolve_plain_dir(root, "/proc", &err), "proc") && exists("proc"));
    CHECK(symlinkat("etc", root, "dev") == 0);
    CHECK(resolve_plain_dir(root, "/dev", &err) < 0 && err.code == ERR_BAD_REQUEST);
    CHECK(strstr(err.message, "\"/dev\"") != NULL);
}

static void put_file(const char *path, const char *text) {
    int fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    (void)close(fd);
}

static void users_come_from_the_image(void) {
    static struct identity who;
    struct err err = {0};

    put_file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nbroken\napp:x:1000:1001::/home/app:/bin/sh\n"
                           "evil:x:4294967296:0::/:/bin/sh\n:x:77:77::/:/x\n1234:x:55:55::/n:/bin/sh\n");
    put_file("etc/group", "root:x:0:\nweb:x:33:other,app\nlogs:x:34:app\nnot:x:35:apple,happ\n");
    CHECK(identity_resolve(root, "", &who, &err) == 0 && who.uid == 0 && strcmp(who.home, "/root") == 0);
    CHECK(identity_resolve(root, "app", &who, &err) == 0 && who.uid == 1000 && who.gid == 1001);
    CHECK(who.group_count == 3 && who.groups[0] == 1001 && who.groups[1] == 33 && who.groups[2] == 34);
    CHECK(strcmp(who.home, "/home/app") == 0);
    CHECK(identity_resolve(root, "1000", &who, &err) == 0 && who.gid == 1001 && who.group_count == 3);
    CHECK(identity_resolve(root, "app:web", &who, &err) == 0 && who.gid == 33 && who.group_count == 1);
    CHECK(identity_resolve(root, "5:6", &who, &err) == 0 && who.uid == 5 && who.gid == 6);
    CHECK(identity_resolve(root, "1234", &who, &err) == 0 &&
          who.uid == 55); /* a name of digits is a name first */
    CHECK(identity_resolve(root, "9999", &who, &err) == 0 && who.uid == 9999 && who.gid == 0);
    CHECK(identity_resolve(root, "nobody-here", &who, &err) < 0 && err.code == ERR_IMAGE_USER);
    CHECK(identity_resolve(root, "evil", &who, &err) < 0);
    CHECK(identity_resolve(root, "4294967295", &who, &err) < 0); /* (uid_t)-1 would change nothing: root */
    CHECK(identity_resolve(root, "4294967296", &who, &err) < 0);
    CHECK(identity_resolve(root, "-1", &who, &err) < 0);
    CHECK(identity_resolve(root, "app:nogroup", &who, &err) < 0);
}

static void a_fifo_for_passwd_does_not_hang(void) {
    static struct identity who;
    struct err err = {0};

    CHECK(unlinkat(root, "etc/passwd", 0) == 0 && mkfifoat(root, "etc/passwd", 0644) == 0);
    CHECK(identity_resolve(root, "7", &who, &err) == 0 && who.uid == 7);
    CHECK(unlinkat(root, "etc/passwd", 0) == 0 && symlinkat("/proc/self/environ", root, "etc/passwd") == 0);
    CHECK(identity_resolve(root, "app", &who, &err) < 0);
}

int main(void) {
    char command[128];

    CHECK(mkdtemp(folder) != NULL);
    root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    links_stay_inside();
    missing_parts_are_made_inside();
    system_folders_are_plain();
    users_come_from_the_image();
    a_fifo_for_passwd_does_not_hang();
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    CHECK(system(command) == 0);
    return checks_done("resolve");
}
