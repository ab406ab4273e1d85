/* Unpacking a layer: policy and order here, nodes in untar_node.c. */
#include "untar.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "untar_node.h"

/* A folder's times are set last: every entry made in it would change them again. */
struct late_folder {
    struct late_folder *next;
    struct timespec mtime;
    char path[];
};

struct untar_state {
    struct tar_reader *reader;
    const struct untar_options *options;
    struct untar_result *result;
    struct place place;
    struct late_folder *folders;
    struct err *err;
};

static int remember_folder(struct untar_state *s, const char *path, int64_t seconds, uint32_t ns) {
    size_t size = strlen(path) + 1;
    struct late_folder *folder = malloc(sizeof *folder + size);
    if (!folder)
        return err_set(s->err, ERR_INTERNAL, "out of memory");
    folder->mtime = (struct timespec){.tv_sec = seconds, .tv_nsec = ns};
    memcpy(folder->path, path, size);
    folder->next = s->folders;
    s->folders = folder;
    return 0;
}

/* In the archive's order: a folder named twice keeps what was said of it last. */
static int set_folder_times(struct untar_state *s) {
    struct late_folder *reversed = NULL;
    while (s->folders) {
        struct late_folder *folder = s->folders;
        s->folders = folder->next;
        folder->next = reversed;
        reversed = folder;
    }
    s->folders = reversed;
    for (const struct late_folder *folder = s->folders; folder; folder = folder->next) {
        const struct timespec times[2] = {folder->mtime, folder->mtime};
        auto_close int fd = place_reopen_folder(&s->place, folder->path);
        if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
            continue;
        if (fd < 0 || futimens(fd, times) < 0)
            return err_sys(s->err, errno, "cannot set the time of \"%s\"", folder->path);
    }
    return 0;
}

/* A folder the archive never names (place.c made it for a child), or the fresh root: time 0 unless one is
 * forced, so that the same archive gives the same tree at any hour. */
static int unnamed_folder(void *state, int fd, const char *path, struct err *err) {
    struct untar_state *s = state;
    const struct untar_options *o = s->options;
    if (o->owner_uid >= 0 && fchown(fd, (uid_t)o->owner_uid, (gid_t)o->owner_gid) < 0)
        return err_sys(err, errno, "cannot set the owner of \"%s\"", path);
    return o->plain ? 0 : remember_folder(s, path, o->has_mtime ? o->mtime : 0, 0);
}

static void force(const struct untar_options *options, struct tar_entry *entry) {
    if (options->owner_uid >= 0) {
        entry->uid = (uint32_t)options->owner_uid;
        entry->gid = (uint32_t)options->owner_gid;
    }
    if (options->has_mtime) {
        entry->mtime = options->mtime;
        entry->mtime_ns = 0;
    }
}

static int check_limits(struct untar_state *s, const struct tar_entry *entry) {
    const struct untar_options *o = s->options;
    s->result->files++;
    if (o->max_files && s->result->files > o->max_files)
        return err_set(s->err, ERR_BAD_REQUEST,
                       "the archive has more entries than the limit of %llu (at \"%s\")",
                       (unsigned long long)o->max_files, entry->path);
    if (o->max_bytes && entry->size > o->max_bytes - s->result->bytes)
        return err_set(s->err, ERR_BAD_REQUEST,
                       "the archive unpacks to more than the limit of %llu bytes (at \"%s\")",
                       (unsigned long long)o->max_bytes, entry->path);
    if (entry->size > UINT64_MAX / 2 - s->result->bytes)
        return err_set(s->err, ERR_BAD_REQUEST, "the archive claims more bytes than there can be (at \"%s\")",
                       entry->path);
    s->result->bytes += entry->size;
    return 0;
}

static int root_entry(struct untar_state *s, const struct tar_entry *entry) {
    if (entry->type != '5')
        return err_set(s->err, ERR_BAD_REQUEST, "the root of the archive is not a folder");
    if (fchown(s->place.root, entry->uid, entry->gid) < 0 || fchmod(s->place.root, (mode_t)entry->mode) < 0)
        return err_sys(s->err, errno, "cannot set owner and mode of the root");
    s->place.any_setgid |= (entry->mode & S_ISGID) != 0;
    return remember_folder(s, "", entry->mtime, entry->mtime_ns);
}

/* 1 = done with it (a device that is to be skipped), 0 = go on, -1 = refused. */
static int check_device(const struct untar_state *s, const struct tar_entry *entry) {
    bool whiteout = !s->options->plain && entry->type == '3' && entry->major == 0 && entry->minor == 0;
    if ((entry->type != '3' && entry->type != '4') || whiteout)
        return 0;
    if (s->options->skip_devices)
        return 1;
    return err_set(s->err, ERR_BAD_REQUEST, "\"%s\" is a device node; %s must not bring any", entry->path,
                   s->options->plain ? "a copy" : "layers");
}

/* As people's archives are: absolute names mean the same below the root. Cloud Native Buildpacks write their
 * layers so. */
static void make_relative(struct tar_entry *entry) {
    for (char *name = entry->path; name; name = name == entry->path ? entry->link : NULL)
        if (name == entry->path || entry->type == '1')
            memmove(name, name + strspn(name, "/"), strlen(name + strspn(name, "/")) + 1);
}

/* Owners that the container's user namespace cannot express become its root, as documented for docker cp. */
static void limit_owner(const struct untar_options *options, struct tar_entry *entry) {
    if (options->id_limit && entry->uid >= options->id_limit)
        entry->uid = 0;
    if (options->id_limit && entry->gid >= options->id_limit)
        entry->gid = 0;
}

static int one_entry(struct untar_state *s, struct tar_entry *entry) {
    force(s->options, entry);
    if (s->options->plain || s->options->skip_devices)
        make_relative(entry);
    if (s->options->plain)
        limit_owner(s->options, entry);
    int named = place_clean_name(entry->path, s->options->strip, s->err);
    int device = named < 0 ? -1 : check_device(s, entry);
    if (device != 0)
        return device < 0 ? -1 : 0;
    if (named == 0)
        return s->options->strip || (s->options->plain && !s->options->root_metadata) ? 0
                                                                                      : root_entry(s, entry);
    if (entry->type == '1') {
        int linked = place_clean_name(entry->link, s->options->strip, s->err);
        if (linked <= 0)
            return linked < 0
                       ? err_wrap(s->err, "hard link \"%s\"", entry->path)
                       : err_set(s->err, ERR_BAD_REQUEST, "hard link \"%s\" has no target", entry->path);
    }
    if (check_limits(s, entry) < 0 || untar_node(s->reader, &s->place, entry, s->err) < 0)
        return -1;
    return entry->type == '5' ? remember_folder(s, entry->path, entry->mtime, entry->mtime_ns) : 0;
}

static int all_entries(struct untar_state *s, struct tar_entry *entry) {
    int more;
    while ((more = tar_next(s->reader, entry, s->err)) == 1)
        if (one_entry(s, entry) < 0)
            return -1;
    return more < 0 || set_folder_times(s) < 0 ? -1 : tar_drain(s->reader, s->err);
}

int untar(struct tar_reader *reader, int root, const struct untar_options *options,
          struct untar_result *result, struct err *err) {
    struct untar_state s = {.reader = reader, .options = options, .result = result, .err = err};
    auto_free struct tar_entry *entry = malloc(sizeof *entry);
    *result = (struct untar_result){0};
    if (!entry)
        return err_set(err, ERR_INTERNAL, "out of memory");
    mode_t before = umask(0);
    int done = place_open(&s.place, root, unnamed_folder, &s, err);
    /* What an older tree holds is not known. */
    s.place.any_setgid |= !options->fresh_root;
    s.place.plain = options->plain;
    s.place.no_swap = options->no_swap;
    if (options->stay_beneath)
        s.place.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    if (done == 0 && options->fresh_root)
        done = unnamed_folder(&s, root, "", err);
    if (done == 0)
        done = all_entries(&s, entry);
    (void)umask(before);
    place_close(&s.place);
    while (s.folders) {
        struct late_folder *folder = s.folders;
        s.folders = folder->next;
        free(folder);
    }
    return done;
}
