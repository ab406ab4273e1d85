/* config.json: what is not below "linux". See config.h. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX 4096

struct arena_block {
    struct arena_block *next;
    _Alignas(max_align_t) char data[];
};

void *arena_take(struct arena *arena, size_t size) {
    struct arena_block *block = calloc(1, sizeof(*block) + size + 1);

    if (!block)
        return NULL;
    block->next = arena->blocks;
    arena->blocks = block;
    return block->data;
}

char *arena_copy(struct arena *arena, const char *text, size_t len) {
    char *copy = arena_take(arena, len + 1);

    if (copy)
        memcpy(copy, text, len);
    return copy;
}

static int out_of_memory(const char *key, struct err *err) {
    return err_sys(err, ENOMEM, "cannot hold \"%s\"", key);
}

int config_list(const struct json *object, const char *key, size_t size, config_element *read,
                struct arena *arena, void *out, size_t *count, struct err *err) {
    const struct json *array = NULL;
    void **slot = out;

    if (json_opt_array(object, key, &array, err))
        return -1;
    *count = 0;
    if (array && array->list.count > LIST_MAX)
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" has more than %d elements", key, LIST_MAX);
    char *items = arena_take(arena, size * ((array ? array->list.count : 0) + 1));
    if (!items)
        return out_of_memory(key, err);
    *slot = items;
    json_each(item, array) {
        if (read(item, arena, items + size * *count, err))
            return err_wrap(err, "%s", key);
        (*count)++;
    }
    return 0;
}

static int read_string(const struct json *item, struct arena *arena, void *slot, struct err *err) {
    (void)arena;
    if (item->type != JSON_STRING)
        return err_set(err, ERR_BAD_REQUEST, "every element must be a string");
    *(const char **)slot = item->string.text;
    return 0;
}

int config_strings(const struct json *object, const char *key, struct arena *arena, char ***out,
                   size_t *count, struct err *err) {
    size_t ignored;
    return config_list(object, key, sizeof(char *), read_string, arena, out, count ? count : &ignored, err);
}

int config_pairs(const struct json *object, const char *key, struct arena *arena, struct pair_spec **out,
                 size_t *count, struct err *err) {
    const struct json *map = NULL;

    *count = 0;
    if (json_opt_object(object, key, &map, err))
        return -1;
    *out = arena_take(arena, sizeof(**out) * ((map ? map->list.count : 0) + 1));
    if (!*out)
        return out_of_memory(key, err);
    json_each(item, map) {
        if (item->type != JSON_STRING)
            return err_set(err, ERR_BAD_REQUEST, "\"%s\" of \"%s\" must be a string", item->key, key);
        (*out)[(*count)++] = (struct pair_spec){item->key, item->string.text};
    }
    return 0;
}

static int read_id_map(const struct json *item, struct arena *arena, void *slot, struct err *err) {
    struct id_map *map = slot;

    (void)arena;
    return json_need_int(item, "containerID", 0, UINT32_MAX - 1, &map->container, err) ||
                   json_need_int(item, "hostID", 0, UINT32_MAX - 1, &map->host, err) ||
                   json_need_int(item, "size", 1, UINT32_MAX, &map->size, err)
               ? -1
               : 0;
}

int config_read_maps(const struct json *object, const char *uid_key, const char *gid_key, struct arena *arena,
                     struct id_maps *maps, struct err *err) {
    return config_list(object, uid_key, sizeof(struct id_map), read_id_map, arena, &maps->uids,
                       &maps->uid_count, err) ||
                   config_list(object, gid_key, sizeof(struct id_map), read_id_map, arena, &maps->gids,
                               &maps->gid_count, err)
               ? -1
               : 0;
}

static int read_hook(const struct json *item, struct arena *arena, void *slot, struct err *err) {
    struct hook *hook = slot;

    if (json_need_string(item, "path", &hook->path, err) ||
        config_strings(item, "args", arena, &hook->args, NULL, err) ||
        config_strings(item, "env", arena, &hook->env, NULL, err) ||
        json_opt_int(item, "timeout", 1, INT32_MAX, &hook->timeout_s, err))
        return -1;
    if (hook->path[0] != '/')
        return err_set(err, ERR_BAD_REQUEST, "hook \"%s\" must be an absolute path", hook->path);
    return 0;
}

static int read_hooks(const struct json *document, struct oci_config *config, struct err *err) {
    static const char *const keys[HOOK_STAGES] = {"prestart",       "createRuntime", "createContainer",
                                                  "startContainer", "poststart",     "poststop"};
    const struct json *object = NULL;

    if (json_opt_object(document, "hooks", &object, err))
        return -1;
    for (int stage = 0; stage < HOOK_STAGES; stage++)
        if (config_list(object, keys[stage], sizeof(struct hook), read_hook, &config->arena,
                        &config->hooks[stage].list, &config->hooks[stage].count, err))
            return err_wrap(err, "hooks");
    return 0;
}

static int read_mount_item(const struct json *item, struct arena *arena, void *slot, struct err *err) {
    return config_read_mount(item, arena, slot, err);
}

/* 1.x, whatever x: a minor version only adds. */
static int check_version(const char *version, struct err *err) {
    char *end;
    long major = strtol(version, &end, 10);

    if (end == version || *end != '.' || major != 1)
        return err_set(err, ERR_BAD_REQUEST, "ociVersion \"%s\" is not supported, 1.x is", version);
    long minor = strtol(end + 1, &end, 10);
    if (minor < 0 || *end != '.')
        return err_set(err, ERR_BAD_REQUEST, "ociVersion \"%s\" is no semantic version", version);
    return 0;
}

static int read_root(const struct json *document, struct oci_config *config, struct err *err) {
    const struct json *object;

    if (json_need_object(document, "root", &object, err) ||
        json_need_string(object, "path", &config->root, err) ||
        json_opt_bool(object, "readonly", &config->root_readonly, err))
        return -1;
    if (config->root[0] == '\0')
        return err_set(err, ERR_BAD_REQUEST, "root \"path\" is empty");
    return 0;
}

static int check_annotations(const struct oci_config *config, struct err *err) {
    json_each(item, config->annotations) {
        if (item->type != JSON_STRING)
            return err_set(err, ERR_BAD_REQUEST, "annotation \"%s\" must be a string", item->key);
        if (item->key[0] == '\0')
            return err_set(err, ERR_BAD_REQUEST, "an annotation has no name");
    }
    return 0;
}

int config_read(const struct json *document, struct oci_config *config, struct err *err) {
    const struct json *process = NULL, *linux_object = NULL;

    *config = (struct oci_config){.document = document, .personality = -1};
    if (json_need_string(document, "ociVersion", &config->version, err) ||
        check_version(config->version, err) || read_root(document, config, err) ||
        json_opt_string(document, "hostname", &config->hostname, err) ||
        json_opt_string(document, "domainname", &config->domainname, err) ||
        json_opt_object(document, "annotations", &config->annotations, err) ||
        json_opt_object(document, "process", &process, err) ||
        json_opt_object(document, "linux", &linux_object, err) || check_annotations(config, err))
        return -1;
    config->has_process = process != NULL;
    if (process && config_read_process(process, &config->arena, &config->process, err))
        return err_wrap(err, "process");
    if (config_list(document, "mounts", sizeof(struct oci_mount), read_mount_item, &config->arena,
                    &config->mounts, &config->mount_count, err) ||
        read_hooks(document, config, err))
        return -1;
    return config_read_linux(config, linux_object, err);
}

void config_free(struct oci_config *config) {
    for (struct arena_block *block = config->arena.blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    config->arena.blocks = NULL;
}
