/* libFuzzer's entry for config.json and the seccomp profile in it; built by `make fuzz`. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../oci/config.h"
#include "../seccomp/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *exact = malloc(size ? size : 1); /* of its very size: ASan sees one byte too many */
    struct err err = {0};
    struct oci_config config;

    memcpy(exact, data, size);
    struct json_doc *doc = json_parse(exact, size, &err);
    if (doc) {
        if (config_read(json_root(doc), &config, &err) == 0 && config.seccomp)
            free(seccomp_profile_compile(config.seccomp, &err));
        config_free(&config);
        free(seccomp_profile_compile(json_root(doc), &err));
    }
    json_free(doc);
    free(exact);
    return 0;
}
