/* Compiles the default system call filter as a balanced search tree over number ranges, and loads it.
 * The verdicts: allow, EPERM (known but not for containers), ENOSYS (newer than the table, and clone3, whose
 * flags a filter cannot read), kill for foreign architectures, whose numbers mean other calls. */
#include "filter.h"

#include "seccomp_table.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "no system call table for this architecture"
#endif

#define X32_BIT 0x40000000U
#define NAMESPACE_FLAGS 0x7E020000U /* every CLONE_NEW* that clone(2) takes */

enum verdict { ALLOW = RULE_PERSONALITY + 1, DENY, UNKNOWN };

struct segment {
    uint32_t first;
    int verdict;
};

struct program {
    struct sock_filter *insn;
    size_t len;
};

static void emit(struct program *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf) {
    if (p->len < SECCOMP_MAX_INSNS)
        p->insn[p->len] = (struct sock_filter){code, jt, jf, k};
    p->len++;
}

static void emit_return(struct program *p, uint32_t value) {
    emit(p, BPF_RET | BPF_K, value, 0, 0);
}

static void emit_load_arg0(struct program *p, int high_half) {
    emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, args[0]) + (high_half ? 4 : 0),
         0, 0);
}

/* Namespaces are the container's walls: a clone with one of their flags is refused without CAP_SYS_ADMIN. */
static void emit_clone(struct program *p) {
    emit_load_arg0(p, 0);
    emit(p, BPF_JMP | BPF_JSET | BPF_K, NAMESPACE_FLAGS, 0, 1);
    emit_return(p, SECCOMP_RET_ERRNO | EPERM);
    emit_return(p, SECCOMP_RET_ALLOW);
}

/* AF_ALG and AF_VSOCK reach kernel code and hypervisors that no app needs; so do the long dead families. */
static void emit_socket(struct program *p) {
    static const uint32_t refused[] = {12, 19, 20, 23, 25, 34, 37, 38, 40};
    const size_t n = sizeof(refused) / sizeof(refused[0]);

    emit_load_arg0(p, 0);
    emit(p, BPF_JMP | BPF_JGT | BPF_K, 45, (uint8_t)(n + 1), 0);
    for (size_t i = 0; i < n; i++)
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, refused[i], (uint8_t)(n - i), 0);
    emit_return(p, SECCOMP_RET_ALLOW);
    emit_return(p, SECCOMP_RET_ERRNO | EPERM);
}

/* Only the personalities that change nothing about address space layout protection. */
static void emit_personality(struct program *p) {
    static const uint32_t allowed[] = {0, 8, 0x20000, 0x20008, 0xffffffff};
    const size_t n = sizeof(allowed) / sizeof(allowed[0]);

    emit_load_arg0(p, 0);
    for (size_t i = 0; i < n; i++)
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, allowed[i], (uint8_t)(n - i), 0);
    emit_return(p, SECCOMP_RET_ERRNO | EPERM);
    emit_return(p, SECCOMP_RET_ALLOW);
}

static void emit_leaf(struct program *p, int verdict) {
    switch (verdict) {
    case RULE_CLONE:
        emit_clone(p);
        break;
    case RULE_SOCKET:
        emit_socket(p);
        break;
    case RULE_PERSONALITY:
        emit_personality(p);
        break;
    case ALLOW:
        emit_return(p, SECCOMP_RET_ALLOW);
        break;
    case UNKNOWN:
        emit_return(p, SECCOMP_RET_ERRNO | ENOSYS);
        break;
    default:
        emit_return(p, SECCOMP_RET_ERRNO | EPERM);
        break;
    }
}

/* One comparison a level; conditional jumps reach 255 instructions only, so a far right half is reached by
 * JA. */
static void emit_tree(struct program *p, const struct segment *seg, size_t n) { // NOLINT(misc-no-recursion)
    if (n == 1) {
        emit_leaf(p, seg[0].verdict);
        return;
    }
    size_t half = n / 2;
    size_t jump = p->len;
    emit(p, BPF_JMP | BPF_JGE | BPF_K, seg[half].first, 0, 1);
    emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
    emit_tree(p, seg, half);
    if (jump + 1 < SECCOMP_MAX_INSNS)
        p->insn[jump + 1].k = (uint32_t)(p->len - jump - 2);
    emit_tree(p, seg + half, n - half);
}

static int verdict_for(const struct seccomp_entry *e, uint64_t caps) {
    if (e->rule == RULE_CLONE && (caps & (1ULL << CAP_SYS_ADMIN)))
        return ALLOW;
    if (e->rule != RULE_NONE)
        return e->rule;
    if (e->caps == 0 || (e->caps & caps))
        return ALLOW;
    return e->nr == SECCOMP_NR_CLONE3 ? UNKNOWN : DENY;
}

static size_t append(struct segment *seg, size_t n, uint32_t first, int verdict) {
    if (n > 0 && seg[n - 1].verdict == verdict && verdict >= ALLOW)
        return n;
    seg[n] = (struct segment){first, verdict};
    return n + 1;
}

static size_t build_segments(uint64_t caps, struct segment seg[2 * (SECCOMP_LAST_KNOWN + 2)]) {
    size_t n = 0;
    uint32_t next = 0;

    for (size_t i = 0; i < sizeof(seccomp_table) / sizeof(seccomp_table[0]); i++) {
        const struct seccomp_entry *e = &seccomp_table[i];
        if (e->nr > next)
            n = append(seg, n, next, DENY);
        n = append(seg, n, e->nr, verdict_for(e, caps));
        next = e->nr + 1U;
    }
    if (next <= SECCOMP_LAST_KNOWN)
        n = append(seg, n, next, DENY);
    return append(seg, n, SECCOMP_LAST_KNOWN + 1, UNKNOWN);
}

size_t seccomp_compile(uint64_t caps, struct sock_filter out[SECCOMP_MAX_INSNS]) {
    struct segment seg[2 * (SECCOMP_LAST_KNOWN + 2)];
    struct program p = {out, 0};

    emit(&p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    emit(&p, BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
    emit_return(&p, SECCOMP_RET_KILL_PROCESS);
    emit(&p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
#ifdef __x86_64__
    /* -1 is what a tracer writes to skip a call; it is no x32 call. */
    emit(&p, BPF_JMP | BPF_JEQ | BPF_K, 0xffffffffU, 2, 0);
    emit(&p, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
    emit_return(&p, SECCOMP_RET_KILL_PROCESS);
#endif
    emit_tree(&p, seg, build_segments(caps, seg));
    return p.len;
}

int seccomp_load(uint64_t caps) {
    struct sock_filter insns[SECCOMP_MAX_INSNS];
    size_t len = seccomp_compile(caps, insns);

    if (len > SECCOMP_MAX_INSNS) {
        errno = E2BIG;
        return -1;
    }
    struct sock_fprog prog = {(unsigned short)len, insns};
    /* SPEC_ALLOW: keep the kernel from slowing every container down with the store bypass mitigation. */
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &prog);
}
