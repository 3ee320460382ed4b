# What deploy/demo and deploy/test share. Sourced, not run.

step() { printf '\n== %s\n' "$*" >&2; }

# Installs the Debian packages of a purpose that are missing: build, demo or test.
install_packages() {
    local wanted
    case "$1" in
        build) wanted="libmodbus-dev libmosquitto-dev librdkafka-dev libsqlite3-dev libzstd-dev libkissfft-dev libcurl4 pkg-config" ;;
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

# A Python environment of the project's own, for the peers that the tests run against. What is in requirements-alone.txt
# names versions of its dependencies that others here do not go with; of it only what needs none of them is used.
python_environment() {
    local wanted=(Tests/Integration/requirements.txt Tests/Integration/requirements-alone.txt)
    [ -x .build-python/bin/pytest ] && cat "${wanted[@]}" | cmp -s - .build-python/requirements.txt && return
    step "Installing the tests' Python packages"
    python3 -m venv .build-python
    .build-python/bin/pip install -q --disable-pip-version-check -r "${wanted[0]}"
    .build-python/bin/pip install -q --disable-pip-version-check --no-deps -r "${wanted[1]}"
    cat "${wanted[@]}" >.build-python/requirements.txt
}
