#!/usr/bin/env bash
# In a network of its own, lets the kernel redirect connections to a proxy, and shows what each is answered: first by
# Envoy, then by Ripstop.
set -euo pipefail
if [ "${1:-}" != inside ]; then
    exec unshare --user --map-root-user --net --pid --fork --kill-child "$0" inside
fi
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
ip link set lo up
nft -f - <<'NFT'
table ip nat {
    chain output {
        type nat hook output priority -100;
        tcp dport { 18080, 18081, 18082 } redirect to :15001
    }
}
NFT
says() { # NAME PORT BIND TEXT
    cat <<YAML
  - name: $1
    address: {socket_address: {address: 127.0.0.1, port_value: $2}}
    bind_to_port: $3
    filter_chains:
    - filters:
      - name: says
        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.direct_response.v3.Config, response: {inline_string: "$4\n"}}
YAML
}
cat >"$work/proxy.yaml" <<YAML
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 15000}}}
static_resources:
  listeners:
$(says one 18080 false "the listener of 18080")
$(says two 18081 false "the listener of 18081")
$(says virtual 15001 true "the listener that takes all")
    use_original_dst: true
    listener_filters:
    - {name: o, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst}}
YAML
ask() {
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf '%s: ' "$1"
    cat <&3
    exec 3<&- 3>&-
}
for proxy in envoy ripstop; do
    case $proxy in
    envoy) "$RIPSTOP_E2E_ENVOY" -c "$work/proxy.yaml" --disable-hot-restart -l error >"$work/log" 2>&1 & ;;
    ripstop) "$BINARIES/ripstop" proxy -c "$work/proxy.yaml" -l error >"$work/log" 2>&1 & ;;
    esac
    for _ in $(seq 400); do
        curl -sf -o /dev/null http://127.0.0.1:15000/ready && break
        sleep 0.05
    done
    echo "$proxy"
    for port in 18080 18081 18082 15001; do
        timeout 10 bash -c "$(declare -f ask); ask $port" || { cat "$work/log"; exit 1; }
    done
    kill %%
    wait || true
done
