/* One hostile input through every parser of berth-dns: a query and a response as a container or a server may
 * send them, a records file, a resolv.conf. Used by fuzz_dns.c (`make fuzz`) and by fuzz_dns_test.c. */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../dns/answer.h"
#include "../dns/upstream.h"

static inline void fuzz_packet(const uint8_t *data, size_t size) {
    static struct records *records;
    static uint8_t out[DNS_MESSAGE_MAX];
    static const char file[] = "berth-dns 1\nnetwork b open 10.1.0.1 10.1.0.0/24\n"
                               "host c 10.1.0.2 web.a,web\nhost c2 10.1.0.3 web.a,web\n";
    struct err err = {0};
    struct answer answer;

    if (!records)
        records = records_parse(strdup(file), sizeof file - 1, &err);
    struct answer_request request = {
        .records = records, .packet = data, .len = size, .turn = size ? data[0] : 0};
    (void)ip_parse("10.1.0.3", &request.source);
    if (size <= DNS_QUERY_MAX) {
        (void)answer_query(&request, out, &answer);
        request.is_tcp = true;
        (void)answer_query(&request, out, &answer);
    }
    for (size_t cut = 1; cut < size; cut += 1 + size / 8)
        (void)dns_is_response_to(data, cut, data + cut, size - cut);
}

static inline void fuzz_records(const uint8_t *data, size_t size) {
    struct err err = {0};
    struct upstream upstream;
    char *text = malloc(size + 1);

    memcpy(text, data, size);
    text[size] = '\0';
    upstream_parse_file(text, &upstream);
    upstream_parse_list(text, &upstream);
    records_free(records_parse(text, size, &err));
}
