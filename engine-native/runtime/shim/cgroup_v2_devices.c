/* The device allow-list of cgroup v2, a BPF program written here instruction by instruction: it compares the
 * request with each rule and allows the first that covers it. */
#include "cgroup.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../lib/cleanup.h"

#define MAX_INSNS 4096

struct program {
    struct bpf_insn insn[MAX_INSNS];
    int len;
};

static void emit(struct program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm) {
    if (p->len < MAX_INSNS)
        p->insn[p->len++] =
            (struct bpf_insn){.code = code, .dst_reg = dst & 15, .src_reg = src & 15, .off = off, .imm = imm};
}

static int access_bits(const char *access) {
    int bits = 0;

    for (; *access; access++)
        bits |= *access == 'r'   ? BPF_DEVCG_ACC_READ
                : *access == 'w' ? BPF_DEVCG_ACC_WRITE
                                 : BPF_DEVCG_ACC_MKNOD;
    return bits;
}

/* r2 type, r3 access, r4 major, r5 minor; a mismatch jumps behind the rule. */
static void emit_rule(struct program *p, char type, int64_t major, int64_t minor, const char *access) {
    int start = p->len, jumps[4], n = 0;

    jumps[n++] = p->len;
    emit(p, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_2, 0, 0,
         type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
    int bits = access_bits(access);
    if (bits != 7) {
        /* every wanted bit must be in the rule: (wanted & ~rule) == 0 */
        emit(p, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_3, 0, 0);
        emit(p, BPF_ALU | BPF_AND | BPF_K, BPF_REG_1, 0, 0, ~bits & 7);
        jumps[n++] = p->len;
        emit(p, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_1, 0, 0, 0);
    }
    if (major >= 0) {
        jumps[n++] = p->len;
        emit(p, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_4, 0, 0, (int32_t)major);
    }
    if (minor >= 0) {
        jumps[n++] = p->len;
        emit(p, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_5, 0, 0, (int32_t)minor);
    }
    emit(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1);
    emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    if (p->len < MAX_INSNS && p->len > start)
        for (int i = 0; i < n; i++)
            p->insn[jumps[i]].off = (int16_t)(p->len - jumps[i] - 1);
}

static void emit_load(struct program *p, uint8_t dst, size_t offset) {
    emit(p, BPF_LDX | BPF_MEM | BPF_W, dst, BPF_REG_1, (int16_t)offset, 0);
}

int cgroup_v2_allow_devices(int dir, const struct spec *spec, struct err *err) {
    static struct program p; /* too big for the stack; the shim has one thread */
    union bpf_attr attr;

    p.len = 0;
    emit_load(&p, BPF_REG_2, offsetof(struct bpf_cgroup_dev_ctx, access_type));
    emit(&p, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
    emit(&p, BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff);
    emit(&p, BPF_ALU | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16);
    emit_load(&p, BPF_REG_4, offsetof(struct bpf_cgroup_dev_ctx, major));
    emit_load(&p, BPF_REG_5, offsetof(struct bpf_cgroup_dev_ctx, minor));
    for (const struct cgroup_device_rule *rule = cgroup_default_devices; rule->type; rule++)
        emit_rule(&p, rule->type, rule->major, rule->minor, rule->access);
    for (size_t i = 0; i < spec->device_count; i++) {
        const struct device_spec *d = &spec->devices[i];
        emit_rule(&p, d->type, d->major, d->minor, d->access);
    }
    for (size_t i = 0; i < spec->device_rule_count; i++) {
        const struct device_rule_spec *rule = &spec->device_rules[i];
        if (rule->type != 'b')
            emit_rule(&p, 'c', rule->major, rule->minor, rule->access);
        if (rule->type != 'c')
            emit_rule(&p, 'b', rule->major, rule->minor, rule->access);
    }
    emit(&p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0);
    emit(&p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    if (p.len >= MAX_INSNS)
        return err_set(err, ERR_BAD_REQUEST, "the container has too many devices");

    memset(&attr, 0, sizeof(attr));
    attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attr.insns = (uint64_t)(uintptr_t)p.insn;
    attr.insn_cnt = (uint32_t)p.len;
    static const char license[] = "Apache-2.0";
    attr.license = (uint64_t)(uintptr_t)license;
    auto_close int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
    if (fd < 0)
        return err_sys_as(err, ERR_CGROUP, errno, "cannot load the container's device rules");
    memset(&attr, 0, sizeof(attr));
    attr.target_fd = (uint32_t)dir;
    attr.attach_bpf_fd = (uint32_t)fd;
    attr.attach_type = BPF_CGROUP_DEVICE;
    attr.attach_flags = BPF_F_ALLOW_MULTI;
    if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)))
        return err_sys_as(err, ERR_CGROUP, errno, "cannot attach the container's device rules");
    return 0;
}
