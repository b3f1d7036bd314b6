#!/usr/bin/env bash
# Runs the three files of this directory, as they are, first under Envoy and then under Ripstop, asks both the same, and
# shows both answers. Ends with 1 if they differ.
#
# The names and ports in the files are those of containers. So everything runs in a network of its own, in which every
# name is 127.0.0.1: in namespaces, for which no rights are needed where the kernel lets users have them.
#
#     .ci/envoy && cargo build -p ripstop -p ripstop-shop && examples/envoy/compare.sh
#
# BINARIES: where ripstop and the shop's applications are (target/debug). RIPSTOP_E2E_ENVOY: another Envoy 1.40.
set -euo pipefail
cd "$(dirname "$0")/../.."

binaries=$(realpath "${BINARIES:-target/debug}")
envoy=$(realpath "${RIPSTOP_E2E_ENVOY:-target/envoy/envoy-1.40.0}")

if [ "${1:-}" != inside ]; then
    for program in "$envoy" "$binaries/ripstop" "$binaries/user-service"; do
        [ -x "$program" ] || {
            echo "missing: $program; .ci/envoy fetches Envoy, cargo build -p ripstop -p ripstop-shop makes the rest" >&2
            exit 1
        }
    done
    BINARIES=$binaries RIPSTOP_E2E_ENVOY=$envoy exec unshare --user --map-root-user --net --mount --pid --fork \
        --kill-child "$0" inside
fi

work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT

# The network: the loopback interface, and names for it.
if command -v ip >/dev/null; then
    ip link set lo up
else
    python3 -c '
import fcntl, socket, struct
up = struct.pack("16sh14x", b"lo", 1)
fcntl.ioctl(socket.socket(), 0x8914, up)'
fi
echo "127.0.0.1 localhost gateway user-service-envoy product-service-envoy" >"$work/hosts"
mount --bind "$work/hosts" /etc/hosts

requests=(
    /api/users
    /api/users/1
    /api/users/nobody
    /api/products
    /api/products/1
    /api/products/nothing
    /api/overview
    /health
    /
    /no/such/path
)

wait_for() {
    for _ in $(seq 400); do
        if curl -sf -o /dev/null "$1"; then return 0; fi
        sleep 0.05
    done
    echo "$1 does not answer" >&2
    cat "$work"/*.log >&2
    return 1
}

# The proxies of all three files.
start_proxies() {
    local id=0
    for file in gateway user-sidecar product-sidecar; do
        id=$((id + 1))
        case $1 in
        Envoy)
            "$envoy" -c "examples/envoy/$file.yaml" --disable-hot-restart --base-id $((RANDOM * 10 + id)) \
                --log-level warning >"$work/$1-$file.log" 2>&1 &
            ;;
        Ripstop)
            "$binaries/ripstop" proxy -c "examples/envoy/$file.yaml" --drain-time-s 0 >"$work/$1-$file.log" 2>&1 &
            ;;
        esac
        proxies+=($!)
    done
}

# Status, headers but for what the moment decides, and body of each request.
ask() {
    for path in "${requests[@]}"; do
        echo "=== GET $path"
        curl -s -i "http://127.0.0.1:10000$path" | tr -d '\r' | sed -E \
            -e '/^date: /d' \
            -e 's/^(x-envoy-upstream-service-time): [0-9]+$/\1: (milliseconds)/' \
            -e 's/^server: (envoy|ripstop)$/server: (its name)/' |
            awk 'NR == 1 || body { print; next } /^$/ { close("sort"); body = 1; print; next } { print | "sort" }'
        echo
    done
}

for proxy in Envoy Ripstop; do
    applications=()
    proxies=()
    for application in gateway-service user-service product-service; do
        "$binaries/$application" >"$work/$application.log" 2>&1 &
        applications+=($!)
    done
    for port in 8080 8081 8082; do wait_for "http://127.0.0.1:$port/health"; done
    start_proxies "$proxy"
    for port in 9901 9902 9903; do wait_for "http://127.0.0.1:$port/ready"; done
    for path in /api/users /api/products /health; do wait_for "http://127.0.0.1:10000$path"; done
    ask >"$work/$proxy.txt"
    kill "${proxies[@]}" "${applications[@]}"
    wait "${proxies[@]}" "${applications[@]}" 2>/dev/null || true
done

if diff --side-by-side --width=180 "$work/Envoy.txt" "$work/Ripstop.txt"; then
    echo "Envoy and Ripstop answer ${#requests[@]} requests alike"
else
    echo "the answers differ: Envoy's are on the left, Ripstop's on the right" >&2
    exit 1
fi
