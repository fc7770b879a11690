#!/bin/sh
# Installs what the tests need on a Debian 12 machine, apart from Go itself: browsers, a screen and a sound server
# for them, a certificate tool, foreign encoders and players, a foreign TURN client, a proxy, network tools, Chinese fonts for the
# screenshots, node for the page tests. What is there already is left alone; when all of it is, nothing is asked of
# the network.
set -eu

# Lines of "what tells that it is there" and "the package that brings it".
wanted() {
	cat <<-'LIST'
		chromium chromium
		firefox-esr firefox-esr
		pulseaudio pulseaudio
		package:python3-aiortc python3-aiortc
		package:python3-gst-1.0 python3-gst-1.0
		package:gir1.2-gst-plugins-bad-1.0 gir1.2-gst-plugins-bad-1.0
		package:gstreamer1.0-plugins-base gstreamer1.0-plugins-base
		package:gstreamer1.0-plugins-good gstreamer1.0-plugins-good
		package:gstreamer1.0-plugins-bad gstreamer1.0-plugins-bad
		package:gstreamer1.0-plugins-ugly gstreamer1.0-plugins-ugly
		package:gstreamer1.0-nice gstreamer1.0-nice
		Xvfb xvfb
		certutil libnss3-tools
		turnutils_uclient coturn
		turnserver coturn
		nginx nginx-light
		ip iproute2
		nft nftables
		node nodejs
		npm npm
		git git
		package:fonts-noto-cjk fonts-noto-cjk
		package:ca-certificates ca-certificates
	LIST
}

# Daemons and network tools live in sbin, which is not in everybody's path.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

missing=
while read -r sign package; do
	case $sign in
	package:*) dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package" ;;
	*) command -v "$sign" >/dev/null 2>&1 || missing="$missing $package" ;;
	esac
done <<LIST
$(wanted)
LIST

if [ -n "$missing" ]; then
	as_root=
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null 2>&1 || {
			echo "setup: needs root, or sudo, to install:$missing" >&2
			exit 1
		}
		as_root=sudo
	fi
	echo "setup: installing$missing"
	$as_root apt-get update -q
	# shellcheck disable=SC2086 # a list of words on purpose
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
fi

command -v go >/dev/null 2>&1 || {
	echo "setup: Go is not installed; go.mod says which version is needed" >&2
	exit 1
}
