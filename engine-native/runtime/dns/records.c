/* See records.h. */
#include "records.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/cleanup.h"

/* What is being parsed: the table so far, and the room that its arrays have. */
struct parser {
    struct records *records;
    size_t network_cap, name_cap, host_cap;
    unsigned line;
    struct err *err;
};

static int fail(struct parser *p, const char *what) {
    return err_set(p->err, ERR_BAD_REQUEST, "line %u of the records: %s", p->line, what);
}

/* Room for one more element, or -1. */
static int grow(void **array, size_t *cap, size_t count, size_t size, struct err *err) {
    if (count < *cap)
        return 0;
    size_t wanted = *cap ? *cap * 2 : 16;
    void *bigger = reallocarray(*array, wanted, size);
    if (!bigger)
        return err_sys(err, ENOMEM, "cannot keep the records");
    *array = bigger;
    *cap = wanted;
    return 0;
}

static int parse_network(struct parser *p, char **words, unsigned count) {
    struct records *r = p->records;
    char *save = NULL;

    if (count != 5)
        return fail(p, "a network has four words");
    if (grow((void **)&r->networks, &p->network_cap, r->network_count, sizeof *r->networks, p->err))
        return -1;
    struct dns_network *network = &r->networks[r->network_count];
    *network = (struct dns_network){.bridge = words[1], .is_internal = strcmp(words[2], "internal") == 0};
    if (!network->is_internal && strcmp(words[2], "open") != 0)
        return fail(p, "a network is open or internal");
    for (char *word = strtok_r(words[3], ",", &save); word; word = strtok_r(NULL, ",", &save))
        if (network->gateway_count == 2 || !ip_parse(word, &network->gateways[network->gateway_count++]))
            return fail(p, "a gateway is no address, or there are too many");
    for (char *word = strtok_r(words[4], ",", &save); word; word = strtok_r(NULL, ",", &save))
        if (network->subnet_count == RECORDS_LIST_MAX ||
            !ip_parse_prefix(word, &network->subnets[network->subnet_count++]))
            return fail(p, "a subnet is none, or there are too many");
    r->network_count++;
    return 0;
}

static int add_name(struct parser *p, const char *name, const struct ip *address) {
    struct records *r = p->records;

    if (grow((void **)&r->names, &p->name_cap, r->name_count, sizeof *r->names, p->err))
        return -1;
    r->names[r->name_count++] = (struct dns_name){name, *address, (unsigned)r->network_count - 1};
    return 0;
}

static int parse_host(struct parser *p, char **words, unsigned count) {
    struct records *r = p->records;
    struct ip addresses[RECORDS_LIST_MAX];
    unsigned address_count = 0;
    char *save = NULL;

    if (count < 4 || count > 5 || r->network_count == 0)
        return fail(p, "a host has three or four words and stands below its network");
    for (char *word = strtok_r(words[2], ",", &save); word; word = strtok_r(NULL, ",", &save))
        if (address_count == RECORDS_LIST_MAX || !ip_parse(word, &addresses[address_count++]))
            return fail(p, "an address is none, or there are too many");
    const char *first = words[3];
    for (char *c = words[3]; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + ('a' - 'A'));
    for (char *name = strtok_r(words[3], ",", &save); name; name = strtok_r(NULL, ",", &save))
        for (unsigned i = 0; i < address_count; i++)
            if (add_name(p, name, &addresses[i]))
                return -1;
    for (unsigned i = 0; i < address_count; i++) {
        if (grow((void **)&r->hosts, &p->host_cap, r->host_count, sizeof *r->hosts, p->err))
            return -1;
        r->hosts[r->host_count++] = (struct dns_host){
            addresses[i], words[1], first, count == 5 ? words[4] : NULL, (unsigned)r->network_count - 1};
    }
    return 0;
}

static int parse_line(struct parser *p, char *line) {
    char *words[6], *save = NULL;
    unsigned count = 0;

    for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        if (count == 6)
            return fail(p, "too many words");
        words[count++] = word;
    }
    if (p->line == 1)
        return count == 2 && strcmp(words[0], "berth-dns") == 0 && strcmp(words[1], "1") == 0
                   ? 0
                   : fail(p, "not the records of this version");
    if (count > 0 && strcmp(words[0], "network") == 0)
        return parse_network(p, words, count);
    if (count > 0 && strcmp(words[0], "host") == 0)
        return parse_host(p, words, count);
    return fail(p, "neither a network nor a host");
}

static int compare_name(unsigned network_a, const char *a, unsigned network_b, const char *b) {
    return network_a != network_b ? (network_a < network_b ? -1 : 1) : strcmp(a, b);
}

static int order_names(const void *left, const void *right) {
    const struct dns_name *a = left, *b = right;
    int order = compare_name(a->network, a->name, b->network, b->name);
    return order ? order : ip_compare(&a->address, &b->address);
}

static int order_hosts(const void *left, const void *right) {
    const struct dns_host *a = left, *b = right;
    if (a->network != b->network)
        return a->network < b->network ? -1 : 1;
    return ip_compare(&a->address, &b->address);
}

static int order_containers(const void *left, const void *right) {
    const struct dns_host *a = *(struct dns_host *const *)left, *b = *(struct dns_host *const *)right;
    return strcmp(a->container, b->container);
}

/* An alias that is the name as well is one answer, not two. */
static void drop_repeated_names(struct records *r) {
    size_t kept = 0;

    for (size_t i = 0; i < r->name_count; i++)
        if (kept == 0 || order_names(&r->names[kept - 1], &r->names[i]) != 0)
            r->names[kept++] = r->names[i];
    r->name_count = kept;
}

static int sort_all(struct parser *p) {
    struct records *r = p->records;

    if (r->host_count == 0)
        return 0;
    if (r->name_count > 0)
        qsort(r->names, r->name_count, sizeof *r->names, order_names);
    drop_repeated_names(r);
    qsort(r->hosts, r->host_count, sizeof *r->hosts, order_hosts);
    r->by_container = calloc(r->host_count, sizeof(struct dns_host *));
    if (!r->by_container)
        return err_sys(p->err, ENOMEM, "cannot keep the records");
    for (size_t i = 0; i < r->host_count; i++)
        r->by_container[i] = &r->hosts[i];
    qsort(r->by_container, r->host_count, sizeof(struct dns_host *), order_containers);
    return 0;
}

struct records *records_parse(char *text, size_t len, struct err *err) {
    struct parser p = {.records = calloc(1, sizeof *p.records), .err = err};
    int failed = 0;

    if (!p.records || !text) {
        free(p.records);
        free(text);
        (void)err_sys(err, ENOMEM, "cannot keep the records");
        return NULL;
    }
    p.records->text = text;
    for (char *line = text, *end = text + len; !failed && line < end;) {
        char *next = memchr(line, '\n', (size_t)(end - line));
        p.line++;
        if (!next || memchr(line, '\0', (size_t)(next - line))) {
            failed = fail(&p, "cut short");
            break;
        }
        *next = '\0';
        failed = parse_line(&p, line);
        line = next + 1;
    }
    if (!failed)
        failed = sort_all(&p);
    if (!failed)
        return p.records;
    records_free(p.records);
    return NULL;
}

struct records *records_load(int dir, const char *name, struct err *err) {
    struct stat stat;
    auto_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 && errno == ENOENT)
        return records_parse(calloc(1, 1), 0, err);
    if (fd < 0 || fstat(fd, &stat)) {
        (void)err_sys(err, errno, "cannot open \"%s\"", name);
        return NULL;
    }
    if (!S_ISREG(stat.st_mode) || stat.st_size > RECORDS_FILE_MAX) {
        (void)err_set(err, ERR_BAD_REQUEST, "\"%s\" is no file, or larger than 16 MiB", name);
        return NULL;
    }
    size_t size = (size_t)stat.st_size, got = 0;
    auto_free char *text = malloc(size + 1);
    while (text && got < size) {
        ssize_t n = read(fd, text + got, size - got);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    if (!text || got != size) {
        (void)err_sys(err, text ? EIO : ENOMEM, "cannot read \"%s\"", name);
        return NULL;
    }
    text[size] = '\0';
    return records_parse(steal_pointer(&text), size, err);
}

void records_free(struct records *records) {
    if (!records)
        return;
    free(records->text);
    free(records->networks);
    free(records->names);
    free(records->hosts);
    free(records->by_container);
    free(records);
}

size_t records_find_name(const struct records *records, unsigned network, const char *name,
                         const struct dns_name **first) {
    size_t low = 0, high = records->name_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct dns_name *at = &records->names[middle];
        if (compare_name(at->network, at->name, network, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < records->name_count && records->names[end].network == network &&
           strcmp(records->names[end].name, name) == 0)
        end++;
    *first = end > low ? &records->names[low] : NULL;
    return end - low;
}

const struct dns_host *records_find_host(const struct records *records, unsigned network,
                                         const struct ip *address) {
    struct dns_host wanted = {.address = *address, .network = network};
    return records->host_count == 0
               ? NULL
               : bsearch(&wanted, records->hosts, records->host_count, sizeof wanted, order_hosts);
}

size_t records_find_container(const struct records *records, const char *container,
                              struct dns_host *const **first) {
    size_t low = 0, high = records->host_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(records->by_container[middle]->container, container) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < records->host_count && strcmp(records->by_container[end]->container, container) == 0)
        end++;
    *first = end > low ? &records->by_container[low] : NULL;
    return end - low;
}

bool records_is_on_network(const struct records *records, unsigned network, const struct ip *address) {
    const struct dns_network *at = &records->networks[network];

    for (unsigned i = 0; i < at->subnet_count; i++)
        if (ip_within(address, &at->subnets[i]))
            return true;
    return false;
}
