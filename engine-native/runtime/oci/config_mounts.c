/* config.json: one mount and the words of its options. See config.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../shim/kernel.h"
#include "config.h"

#ifndef MS_SHARED
#define MS_UNBINDABLE (1 << 17)
#define MS_PRIVATE (1 << 18)
#define MS_SLAVE (1 << 19)
#define MS_SHARED (1 << 20)
#endif
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
#define ATIME MOUNT_ATTR__ATIME

/* Attributes of the mount itself. With an "r" in front they go for everything below it as well. */
static const struct {
    const char *word;
    uint64_t set, clear;
} attributes[] = {
    {"ro", MOUNT_ATTR_RDONLY, 0},
    {"rw", 0, MOUNT_ATTR_RDONLY},
    {"nosuid", MOUNT_ATTR_NOSUID, 0},
    {"suid", 0, MOUNT_ATTR_NOSUID},
    {"nodev", MOUNT_ATTR_NODEV, 0},
    {"dev", 0, MOUNT_ATTR_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC, 0},
    {"exec", 0, MOUNT_ATTR_NOEXEC},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    {"diratime", 0, MOUNT_ATTR_NODIRATIME},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
    {"relatime", MOUNT_ATTR_RELATIME, ATIME},
    {"norelatime", MOUNT_ATTR_RELATIME, ATIME},
    {"atime", MOUNT_ATTR_RELATIME, ATIME},
    {"noatime", MOUNT_ATTR_NOATIME, ATIME},
    {"strictatime", MOUNT_ATTR_STRICTATIME, ATIME},
    {"nostrictatime", MOUNT_ATTR_RELATIME, ATIME},
};

static const struct {
    const char *word;
    unsigned long flag;
} propagations[] = {
    {"shared", MS_SHARED}, {"slave", MS_SLAVE}, {"private", MS_PRIVATE}, {"unbindable", MS_UNBINDABLE}};

/* Words of mount(8) that ask for what is the case anyway, or mean nothing to a container. */
static const char *const ignored[] = {"defaults",   "loud",  "silent", "async",      "nomand", "mand",
                                      "noiversion", "rbind", "bind",   "nolazytime", "auto",   "noauto"};

/* Flags of the whole filesystem, by the names fsconfig takes them under. */
static const char *const superblock[] = {"sync", "dirsync", "lazytime", "iversion"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_among(const char *word, const char *const *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], word) == 0)
            return true;
    return false;
}

static bool take_attribute(struct oci_mount *mount, const char *word) {
    for (size_t i = 0; i < COUNT(attributes); i++) {
        if (strcmp(attributes[i].word, word) == 0) {
            /* The last word wins, as on a command line. */
            mount->clear = (mount->clear | attributes[i].clear) & ~attributes[i].set;
            mount->set = (mount->set & ~attributes[i].clear) | attributes[i].set;
            mount->clear |= attributes[i].clear & ATIME;
            mount->is_superblock_readonly = (mount->set & MOUNT_ATTR_RDONLY) != 0;
            return true;
        }
        if (word[0] == 'r' && strcmp(attributes[i].word, word + 1) == 0) {
            mount->recursive_set |= attributes[i].set;
            mount->recursive_clear |= attributes[i].clear;
            return true;
        }
    }
    return false;
}

static bool take_propagation(struct oci_mount *mount, const char *word) {
    bool recursive = word[0] == 'r';

    for (size_t i = 0; i < COUNT(propagations); i++)
        if (strcmp(propagations[i].word, word + recursive) == 0) {
            mount->propagation = propagations[i].flag;
            mount->is_propagation_recursive = recursive;
            return true;
        }
    return false;
}

static bool take_word(struct oci_mount *mount, const char *word) {
    if (strcmp(word, "bind") == 0 || strcmp(word, "rbind") == 0) {
        mount->bind = true;
        mount->bind_recursive = word[0] == 'r';
        return true;
    }
    if (strcmp(word, "tmpcopyup") == 0 || strcmp(word, "copy-up") == 0)
        return mount->copy_up = true;
    if (strcmp(word, "idmap") == 0 || strcmp(word, "ridmap") == 0) {
        mount->idmap_recursive = word[0] == 'r';
        return mount->idmap = true;
    }
    if (strcmp(word, "remount") == 0)
        return mount->is_remount = true;
    return take_attribute(mount, word) || take_propagation(mount, word) ||
           is_among(word, ignored, COUNT(ignored));
}

/* Anything else belongs to the filesystem: "size=65536k", "newinstance". */
static int add_filesystem_option(struct oci_mount *mount, struct arena *arena, const char *word,
                                 struct err *err) {
    const char *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    char *key = arena_copy(arena, word, len);

    if (!key)
        return err_sys(err, ENOMEM, "cannot hold the options of mount \"%s\"", mount->destination);
    mount->options[2 * mount->option_count] = key;
    mount->options[2 * mount->option_count + 1] = (char *)(uintptr_t)(equals ? equals + 1 : NULL);
    mount->option_count++;
    return 0;
}

static int read_options(const struct json *object, struct arena *arena, struct oci_mount *mount,
                        struct err *err) {
    char **words;
    size_t count;

    if (config_strings(object, "options", arena, &words, &count, err))
        return -1;
    mount->options = arena_take(arena, sizeof(char *) * 2 * (count + 1));
    if (!mount->options)
        return err_sys(err, ENOMEM, "cannot hold the options of mount \"%s\"", mount->destination);
    for (; *words; words++) {
        bool is_superblock = is_among(*words, superblock, COUNT(superblock));
        if ((is_superblock || !take_word(mount, *words)) && add_filesystem_option(mount, arena, *words, err))
            return -1;
    }
    return 0;
}

int config_read_mount(const struct json *object, struct arena *arena, struct oci_mount *mount,
                      struct err *err) {
    if (json_need_string(object, "destination", &mount->destination, err) ||
        json_opt_string(object, "type", &mount->type, err) ||
        json_opt_string(object, "source", &mount->source, err) || read_options(object, arena, mount, err) ||
        config_read_maps(object, "uidMappings", "gidMappings", arena, &mount->maps, err))
        return -1;
    if (mount->destination[0] == '\0')
        return err_set(err, ERR_BAD_REQUEST, "a mount has no destination");
    mount->idmap |= mount->maps.uid_count > 0 || mount->maps.gid_count > 0;
    if (mount->type && strcmp(mount->type, "bind") == 0 && !mount->bind)
        mount->bind = mount->bind_recursive = true;
    if (!mount->bind && !mount->is_remount && (!mount->type || strcmp(mount->type, "none") == 0))
        return err_set(err, ERR_BAD_REQUEST, "mount \"%s\" has no type", mount->destination);
    if (mount->bind && (!mount->source || mount->source[0] == '\0'))
        return err_set(err, ERR_BAD_REQUEST, "bind mount \"%s\" has no source", mount->destination);
    if (mount->is_remount)
        return err_set(err, ERR_UNSUPPORTED, "mount \"%s\": \"remount\" is not supported",
                       mount->destination);
    if (mount->idmap && !mount->bind)
        return err_set(err, ERR_UNSUPPORTED, "mount \"%s\": only bind mounts can be idmapped",
                       mount->destination);
    return 0;
}

const char *config_mount_words(void) {
    static char words[2048];
    size_t len = 0;

    if (words[0])
        return words;
    for (size_t i = 0; i < COUNT(attributes); i++)
        len += (size_t)snprintf(words + len, sizeof(words) - len, "%s r%s ", attributes[i].word,
                                attributes[i].word);
    for (size_t i = 0; i < COUNT(propagations); i++)
        len += (size_t)snprintf(words + len, sizeof(words) - len, "%s r%s ", propagations[i].word,
                                propagations[i].word);
    for (size_t i = 0; i < COUNT(ignored); i++)
        len += (size_t)snprintf(words + len, sizeof(words) - len, "%s ", ignored[i]);
    for (size_t i = 0; i < COUNT(superblock); i++)
        len += (size_t)snprintf(words + len, sizeof(words) - len, "%s ", superblock[i]);
    (void)snprintf(words + len, sizeof(words) - len, "idmap ridmap tmpcopyup");
    return words;
}
