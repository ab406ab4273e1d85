/* See identity.h. The files belong to the image: they may be huge, binary, a FIFO or a link to anywhere. */
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "kernel.h"

#define FILE_MAX (4u << 20)

/* NULL when the file is missing, is no regular file or is too large: then nobody is known. */
static char *read_image_file(int root_fd, const char *path) {
    auto_close int fd = k_openat2(root_fd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0,
                                  RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
        return NULL;
    auto_free char *text = malloc((size_t)st.st_size + 1);
    size_t len = 0;
    while (text && len < (size_t)st.st_size) {
        ssize_t n = read(fd, text + len, (size_t)st.st_size - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    if (text)
        text[len] = '\0';
    return steal_pointer(&text);
}

/* Digits only, and never the two values that mean "unchanged" to the kernel: an overflow must not become
 * root. */
static bool parse_id(const char *text, size_t len, uint32_t *id) {
    uint64_t value = 0;

    if (len == 0 || len > 10)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    if (value >= UINT32_MAX)
        return false;
    *id = (uint32_t)value;
    return true;
}

struct field {
    const char *text;
    size_t len;
};

/* Splits one line at ':' and moves *cursor to the next; the number of fields, or -1 at the end. */
static int next_line(const char **cursor, struct field *fields, int max) {
    const char *p = *cursor;
    size_t length = strcspn(p, "\n");
    const char *end = p + length;
    int n = 0;

    if (*p == '\0')
        return -1;
    *cursor = *end ? end + 1 : end;
    while (n < max) {
        const char *stop = memchr(p, ':', (size_t)(end - p));
        if (!stop || n == max - 1)
            stop = end;
        fields[n++] = (struct field){p, (size_t)(stop - p)};
        if (stop == end)
            break;
        p = stop + 1;
    }
    return n;
}

static bool equals(struct field field, const char *text, size_t len) {
    return field.len == len && memcmp(field.text, text, len) == 0;
}

/* Finds the user by name, then by number. True with *name pointing into passwd. */
static bool find_user(const char *passwd, const char *user, size_t len, struct identity *identity,
                      struct field *name) {
    for (int by_number = 0; by_number < 2; by_number++) {
        struct field f[7];
        uint32_t uid, gid, wanted = 0;
        const char *cursor = passwd;
        if (by_number && !parse_id(user, len, &wanted))
            return false;
        for (int n; (n = next_line(&cursor, f, 7)) >= 0;) {
            if (n < 6 || !parse_id(f[2].text, f[2].len, &uid) || !parse_id(f[3].text, f[3].len, &gid))
                continue;
            if (by_number ? uid != wanted : !equals(f[0], user, len))
                continue;
            identity->uid = uid;
            identity->gid = gid;
            if (f[5].len > 0 && f[5].len < sizeof(identity->home))
                (void)snprintf(identity->home, sizeof(identity->home), "%.*s", (int)f[5].len, f[5].text);
            *name = f[0];
            return true;
        }
    }
    return false;
}

static bool find_group(const char *groups, const char *group, size_t len, gid_t *gid) {
    struct field f[4];
    uint32_t id;
    const char *cursor = groups;

    for (int n; groups && (n = next_line(&cursor, f, 4)) >= 0;) {
        if (n >= 3 && equals(f[0], group, len) && parse_id(f[2].text, f[2].len, &id)) {
            *gid = id;
            return true;
        }
    }
    return parse_id(group, len, gid);
}

static bool is_member(struct field members, struct field name) {
    const char *p = members.text, *end = members.text + members.len;

    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma ? comma : end;
        if (equals((struct field){p, (size_t)(stop - p)}, name.text, name.len))
            return true;
        p = stop + 1;
    }
    return false;
}

static void add_group(struct identity *identity, gid_t gid) {
    for (size_t i = 0; i < (size_t)identity->group_count; i++)
        if (identity->groups[i] == gid)
            return;
    identity->groups[identity->group_count++] = gid;
}

static void add_supplementary(const char *groups, struct field name, struct identity *identity) {
    struct field f[4];
    uint32_t gid;
    const char *cursor = groups;

    for (int n; groups && (n = next_line(&cursor, f, 4)) >= 0;)
        if (n == 4 && identity->group_count < IDENTITY_GROUPS_MAX && is_member(f[3], name) &&
            parse_id(f[2].text, f[2].len, &gid) && gid != identity->gid)
            add_group(identity, gid);
}

static int unknown_group(const char *group, struct err *err) {
    return err_set(err, ERR_IMAGE_USER, "unable to find group %s: no matching entries in group file", group);
}

int identity_resolve(int root_fd, const char *user, struct identity *identity, struct err *err) {
    const char *colon = strchr(user, ':');
    size_t len = colon ? (size_t)(colon - user) : strlen(user);
    auto_free char *passwd = read_image_file(root_fd, "/etc/passwd");
    auto_free char *groups = NULL;
    struct field name = {"", 0};
    const char *wanted = len ? user : "0";
    bool known;

    *identity = (struct identity){.home = "/", .group_count = 1};
    if (len == 0)
        len = 1;
    known = passwd && find_user(passwd, wanted, len, identity, &name);
    if (!known && !parse_id(wanted, len, &identity->uid))
        return err_set(err, ERR_IMAGE_USER, "unable to find user %.*s: no matching entries in passwd file",
                       (int)len, wanted);
    if (!known && identity->uid == 0)
        (void)snprintf(identity->home, sizeof(identity->home), "/root");
    if (known || colon)
        groups = read_image_file(root_fd, "/etc/group");
    if (colon && !find_group(groups, colon + 1, strlen(colon + 1), &identity->gid))
        return unknown_group(colon + 1, err);
    identity->groups[0] = identity->gid;
    if (known && !colon)
        add_supplementary(groups, name, identity);
    return 0;
}

int identity_add_groups(int root_fd, char *const *groups, struct identity *identity, struct err *err) {
    auto_free char *known = groups && *groups ? read_image_file(root_fd, "/etc/group") : NULL;

    for (; groups && *groups; groups++) {
        gid_t gid;
        if (!find_group(known, *groups, strlen(*groups), &gid))
            return unknown_group(*groups, err);
        if (identity->group_count == IDENTITY_GROUPS_MAX)
            return err_set(err, ERR_IMAGE_USER, "more than %d groups", IDENTITY_GROUPS_MAX);
        add_group(identity, gid);
    }
    return 0;
}
