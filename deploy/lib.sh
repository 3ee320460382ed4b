# What deploy/demo and deploy/test share. Sourced, not run.

step() { printf '\n== %s\n' "$*" >&2; }

# Installs the Debian packages of a purpose that are missing: build, demo or test.
install_packages() {
    local wanted
    case "$1" in
        build) wanted="libmodbus-dev libmosquitto-dev librdkafka-dev libsqlite3-dev libzstd-dev pkg-config" ;;
        demo) wanted="mosquitto mosquitto-clients" ;;
        test) wanted="mosquitto mosquitto-clients kcat mbpoll socat openssl python3 python3-venv" ;;
    esac
    local missing=()
    for package in $wanted; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    step "Installing ${missing[*]}"
    local sudo=""
    [ "$(id -u)" -eq 0 ] || sudo="sudo"
    $sudo apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
    # The package starts a broker on the standard port; the demo and the tests start their own.
    case " ${missing[*]} " in *" mosquitto "*) $sudo service mosquitto stop >/dev/null 2>&1 || true ;; esac
}

# A Python environment of the project's own, for the peers that the tests run against.
python_environment() {
    [ -x .build-python/bin/pytest ] && cmp -s Tests/Integration/requirements.txt .build-python/requirements.txt && return
    step "Installing the tests' Python packages"
    python3 -m venv .build-python
    .build-python/bin/pip install -q --disable-pip-version-check -r Tests/Integration/requirements.txt
    cp Tests/Integration/requirements.txt .build-python/requirements.txt
}
