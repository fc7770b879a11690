package webhook

import (
	"errors"
	"net/netip"
	"net/url"
)

// CheckURL says what is wrong with a URL for events. It does not resolve names.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return errors.New("is no URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("is neither https nor http")
	case u.User != nil:
		return errors.New("holds a user name; requests are signed instead")
	case u.Fragment != "":
		return errors.New("has a fragment, which no server sees")
	}
	at, err := netip.ParseAddr(u.Hostname())
	if err == nil && u.Scheme == "http" && !private(at) {
		return errors.New("is plain HTTP to a public address")
	}
	return nil
}

// InClear says whether events travel unencrypted to a URL that CheckURL has let pass.
func InClear(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "http"
}
