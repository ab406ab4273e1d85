/* JSON: what is accepted, what is refused and where, and that hostile bytes never hurt the parser. */
#include <stdlib.h>
#include <string.h>

#include "../lib/json.h"
#include "check.h"

static bool accepts(const char *text, size_t len) {
    struct err err = {0};
    /* A copy of exactly this length: the sanitizer sees one byte read too many. */
    char *copy = malloc(len ? len : 1);
    if (len)
        memcpy(copy, text, len);
    struct json_doc *doc = json_parse(copy, len, &err);
    CHECK(doc || err.code == ERR_BAD_REQUEST);
    bool accepted = doc != NULL;
    json_free(doc);
    free(copy);
    return accepted;
}

static void test_accepts(void) {
    static const char *const good[] = {"{}",
                                       "[]",
                                       " null ",
                                       "0",
                                       "-0",
                                       "1e3",
                                       "-1.5E-2",
                                       "\"\"",
                                       "\"\\u00e9\\ud83d\\ude00\\n\"",
                                       "[1,[2,[]],{\"a\":{}}]",
                                       "{\"a\":1,\"b\":[true,false,null]}",
                                       "9223372036854775807",
                                       "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""};
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "}",
                                      "[1,]",
                                      "[,1]",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{\"a\":1 \"b\":2}",
                                      "01",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "+1",
                                      "--1",
                                      "tru",
                                      "nul",
                                      "truee",
                                      "\"",
                                      "\"\\\"",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\\ud800\"",
                                      "\"\\udc00\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\\u0000\"",
                                      "\"\n\"",
                                      "1 2",
                                      "{\"a\":1,\"a\":2}",
                                      "18446744073709551616",
                                      "\"\xff\"",
                                      "\"\xc0\x80\"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xf4\x90\x80\x80\"",
                                      "\"\xe2\x82\"",
                                      "1e999",
                                      "\x00",
                                      "[1\x00]"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK(accepts(good[i], strlen(good[i])) || (fprintf(stderr, "refused: %s\n", good[i]), 0));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!accepts(bad[i], strlen(bad[i])) || (fprintf(stderr, "accepted: %s\n", bad[i]), 0));
    CHECK(!accepts("[1\0]", 4));
}

static void test_bounds(void) {
    char deep[200];
    for (size_t depth = 31; depth <= 33; depth++) {
        memset(deep, '[', depth);
        memset(deep + depth, ']', depth);
        CHECK(accepts(deep, depth * 2) == (depth <= 32));
    }
    struct json_out out auto_json_out = {0};
    json_open_object(&out);
    for (int i = 0; i < 1025; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        json_put_int(&out, key, i);
    }
    json_close_object(&out);
    CHECK(!accepts(out.data, out.len));
}

static void test_readers(void) {
    static const char text[] =
        "{\"s\":\"x\",\"i\":-7,\"b\":true,\"o\":{\"z\":1},\"a\":[1,2],\"n\":null,\"d\":1.5}";
    struct err err = {0};
    struct json_doc *doc auto_json = json_parse(text, sizeof text - 1, &err);
    const struct json *root = doc ? json_root(doc) : NULL, *object = NULL, *array = NULL;
    const char *string = "before";
    int64_t number = 42;
    bool flag = false;
    CHECK(json_need_string(root, "s", &string, &err) == 0 && strcmp(string, "x") == 0);
    CHECK(json_need_int(root, "i", -10, 0, &number, &err) == 0 && number == -7);
    CHECK(json_opt_bool(root, "b", &flag, &err) == 0 && flag);
    CHECK(json_need_object(root, "o", &object, &err) == 0 && object && object->raw_len == 7);
    CHECK(json_opt_array(root, "a", &array, &err) == 0 && array && array->list.count == 2);
    CHECK(json_opt_string(root, "n", &string, &err) == 0 && strcmp(string, "x") == 0);
    CHECK(json_need_string(root, "n", &string, &err) == -1 && strcmp(err.message, "\"n\" is missing") == 0);
    CHECK(json_need_string(root, "i", &string, &err) == -1 &&
          strcmp(err.message, "\"i\" must be a string") == 0);
    CHECK(json_opt_int(root, "d", 0, 9, &number, &err) == -1 &&
          json_opt_int(root, "i", 0, 9, &number, &err) == -1);
    CHECK(json_get(json_get(root, "s"), "x") == NULL && json_get(NULL, "x") == NULL);
}

static void test_writer(void) {
    struct json_out out auto_json_out = {0};
    json_open_object(&out);
    json_put_string(&out, "t", "a\"\\\n\x01\xff\xc3\xa9");
    json_key(&out, "l");
    json_open_array(&out);
    json_int(&out, -1);
    json_null(&out);
    json_close_array(&out);
    json_put_bool(&out, "b", false);
    json_close_object(&out);
    static const char expected[] =
        "{\"t\":\"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa9\",\"l\":[-1,null],\"b\":false}";
    CHECK(out.len == sizeof expected - 1 && memcmp(out.data, expected, out.len) == 0);
    CHECK(accepts(out.data, out.len));
}

/* Every cut of a message, and ten thousand with some bytes changed. The seed is fixed: a failure comes back.
 */
static void test_hostile(void) {
    static const char text[] =
        "{\"id\":7,\"op\":\"\\u00e9\\ud83d\\ude00\",\"x\":[1.5e3,-2,true,null,{\"y\":\"\xc3\xa9\"}]}";
    char copy[sizeof text];
    unsigned seed = 20260101;
    for (size_t len = 0; len < sizeof text - 1; len++)
        CHECK(!accepts(text, len));
    for (int round = 0; round < 10000; round++) {
        memcpy(copy, text, sizeof text);
        for (int changes = 1 + rand_r(&seed) % 4; changes > 0; changes--)
            copy[(size_t)rand_r(&seed) % (sizeof text - 1)] = (char)rand_r(&seed);
        (void)accepts(copy, sizeof text - 1);
    }
}

int main(void) {
    test_accepts();
    test_bounds();
    test_readers();
    test_writer();
    test_hostile();
    return checks_done("lib_json_test");
}
