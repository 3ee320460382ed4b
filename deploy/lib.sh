# What deploy/demo and deploy/test share. Sourced, not run.

step() { printf '\n== %s\n' "$*" >&2; }

# Installs the Debian packages of a purpose that are missing: build, demo or test.
install_packages() {
    local wanted
    case "$1" in
        build) wanted="libmodbus-dev libmosquitto-dev librdkafka-dev libsqlite3-dev libzstd-dev libkissfft-dev libcurl4-openssl-dev pkg-config" ;;
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

# How the command is built for users, and for the demo, the long tests and the benchmarks: one set of flags, one folder.
# They are not in Package.swift, because a package with unsafe flags cannot be a dependency of another.
#
# - A reading passes through five modules. With cross-module optimisation the compiler inlines across them.
# - No other program loads the command as a library, and it has a hundred thousand addresses to relocate. Without exported
#   names, and with the compact form of relocations (DT_RELR, glibc 2.36), 3 MB less of it are resident.
release_flags=(
    -c release --static-swift-stdlib -Xswiftc -cross-module-optimization
    -Xswiftc -use-ld=lld -Xlinker --no-export-dynamic -Xlinker -z -Xlinker pack-relative-relocs
)

# build_release SWIFT-BUILD-OPTIONS…
#
# Through a pipe: a build for a terminal is another to the compiler (coloured messages), and starts from nothing.
build_release() { swift build "${release_flags[@]}" "$@" 2>&1 | { grep --line-buffered -v 'unhandled\|CMakeLists' >&2 || true; }; }

release_folder() { swift build "${release_flags[@]}" --show-bin-path; }

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
