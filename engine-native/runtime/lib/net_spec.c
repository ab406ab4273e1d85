/* See net_spec.h. Names and addresses themselves are checked where they are used. */
#include "net_spec.h"

int net_spec_parse(const struct json *object, struct net_attach *net, struct err *err) {
    int64_t mtu = 0;

    *net = (struct net_attach){.ifname = "eth0"};
    if (json_need_string(object, "bridge", &net->bridge, err) < 0 ||
        json_need_string(object, "hostIfname", &net->host_ifname, err) < 0 ||
        json_opt_string(object, "ifname", &net->ifname, err) < 0 ||
        json_opt_string(object, "address", &net->address, err) < 0 ||
        json_opt_string(object, "gateway", &net->gateway, err) < 0 ||
        json_opt_string(object, "address6", &net->address6, err) < 0 ||
        json_opt_string(object, "gateway6", &net->gateway6, err) < 0 ||
        json_opt_string(object, "mac", &net->mac, err) < 0 ||
        json_opt_int(object, "mtu", 0, 65535, &mtu, err) < 0 ||
        json_opt_bool(object, "isolated", &net->isolated, err) < 0 ||
        json_opt_bool(object, "hairpin", &net->hairpin, err) < 0)
        return -1;
    net->mtu = (unsigned)mtu;
    return 0;
}
