/* Typed readers of a parsed message: each checks presence, type and range, and names the key that is wrong.
 */
#include <string.h>

#include "json.h"

const struct json *json_get(const struct json *object, const char *key) {
    if (!object || object->type != JSON_OBJECT)
        return NULL;
    for (const struct json *item = object->list.first; item; item = item->next)
        if (strcmp(item->key, key) == 0)
            return item->type == JSON_NULL ? NULL : item;
    return NULL;
}

static int missing(const char *key, struct err *err) {
    return err_set(err, ERR_BAD_REQUEST, "\"%s\" is missing", key);
}

static int opt_typed(const struct json *object, const char *key, enum json_type type, const char *noun,
                     const struct json **out, struct err *err) {
    const struct json *value = json_get(object, key);
    if (!value)
        return 0;
    if (value->type != type)
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" must be %s", key, noun);
    *out = value;
    return 0;
}

int json_opt_string(const struct json *object, const char *key, const char **out, struct err *err) {
    const struct json *value = NULL;
    if (opt_typed(object, key, JSON_STRING, "a string", &value, err) < 0)
        return -1;
    if (value)
        *out = value->string.text;
    return 0;
}

int json_need_string(const struct json *object, const char *key, const char **out, struct err *err) {
    return json_get(object, key) ? json_opt_string(object, key, out, err) : missing(key, err);
}

int json_opt_int(const struct json *object, const char *key, int64_t min, int64_t max, int64_t *out,
                 struct err *err) {
    const struct json *value = NULL;
    if (opt_typed(object, key, JSON_INT, "a whole number", &value, err) < 0)
        return -1;
    if (!value)
        return 0;
    if (value->integer < min || value->integer > max)
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" must be between %lld and %lld", key, (long long)min,
                       (long long)max);
    *out = value->integer;
    return 0;
}

int json_need_int(const struct json *object, const char *key, int64_t min, int64_t max, int64_t *out,
                  struct err *err) {
    return json_get(object, key) ? json_opt_int(object, key, min, max, out, err) : missing(key, err);
}

int json_opt_uint(const struct json *object, const char *key, uint64_t *out, struct err *err) {
    const struct json *value = json_get(object, key);
    if (!value)
        return 0;
    if (value->type != JSON_UINT && (value->type != JSON_INT || value->integer < -1))
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" must be a whole number that is not negative", key);
    *out = value->type == JSON_UINT ? value->uint : (uint64_t)value->integer;
    return 0;
}

int json_opt_bool(const struct json *object, const char *key, bool *out, struct err *err) {
    const struct json *value = NULL;
    if (opt_typed(object, key, JSON_BOOL, "true or false", &value, err) < 0)
        return -1;
    if (value)
        *out = value->boolean;
    return 0;
}

int json_opt_object(const struct json *object, const char *key, const struct json **out, struct err *err) {
    return opt_typed(object, key, JSON_OBJECT, "an object", out, err);
}

int json_need_object(const struct json *object, const char *key, const struct json **out, struct err *err) {
    return json_get(object, key) ? json_opt_object(object, key, out, err) : missing(key, err);
}

int json_opt_array(const struct json *object, const char *key, const struct json **out, struct err *err) {
    return opt_typed(object, key, JSON_ARRAY, "an array", out, err);
}
