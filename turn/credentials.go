package turn

import (
	"crypto/hmac"
	"crypto/md5"  // #nosec G501 -- the key of long-term credentials, RFC 8489 section 9.2.2
	"crypto/sha1" // #nosec G505 -- part of the REST scheme
	"encoding/base64"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"castcode/internal/stunwire"
)

const (
	// maxAhead is how far away an expiry may be. A date in milliseconds is tens of thousands of years away.
	maxAhead = 24 * time.Hour

	maxUserName = 160 // bytes
)

// Credentials makes a user name that is good until now+ttl, and its password: the REST scheme that coturn knows as
// use-auth-secret. The user name is "<unix seconds>:<peer>", the password base64(HMAC-SHA1(secret, user name)).
// peer is 1 to 128 printable ASCII characters, of whatever the caller calls its peers. A relay that was opened in
// time may live longer than its user name.
func Credentials(secret []byte, peer string, now time.Time, ttl time.Duration) (username, password string) {
	username = strconv.FormatInt(now.Add(ttl).Unix(), 10) + ":" + peer
	return username, makePassword(secret, username)
}

func makePassword(secret []byte, username string) string {
	mac := hmac.New(sha1.New, secret)
	io.WriteString(mac, username)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// parseUserName takes the expiry out of a user name, and takes no other form than Credentials makes.
func parseUserName(username string) (expires time.Time, ok bool) {
	digits, peer, found := strings.Cut(username, ":")
	if !found || len(username) > maxUserName || len(digits) == 0 || len(digits) > 15 || digits[0] == '0' ||
		len(peer) == 0 || len(peer) > 128 {
		return time.Time{}, false
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return time.Time{}, false
		}
	}
	for _, c := range []byte(peer) {
		if c <= ' ' || c > '~' {
			return time.Time{}, false
		}
	}
	seconds, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	return time.Unix(seconds, 0), true
}

// grant is who opened a relay. Whoever has one open may go on with the same user name when that has expired: a
// Refresh cannot change it, RFC 8656 section 7.3.
type grant struct {
	door   *door
	source netip.AddrPort
	user   string
}

// authenticate is the library's AuthHandler: it returns the key of the message that d handles. The library then
// checks the integrity once more with it. It runs on the read loop of d.
func (d *door) authenticate(username, realm string, from net.Addr) (key []byte, ok bool) {
	s := d.server
	refuse := func(why drop) ([]byte, bool) {
		s.counters.drop(why)
		d.refusal = refusedCredentials
		return nil, false
	}
	expires, ok := parseUserName(username)
	if !ok {
		return refuse(dropUserName)
	}
	if realm != s.cfg.Realm {
		return refuse(dropRealm)
	}
	d.grant = grant{d, sourceOf(from), username}
	now := s.cfg.now()
	if _, peer, _ := strings.Cut(username, ":"); s.revoked.has(peer) {
		return refuse(dropRevoked)
	}
	if expires.Sub(now) > maxAhead {
		return refuse(dropFuture)
	}
	if !now.Before(expires) && (d.message.Type == stunwire.AllocateRequest || !s.granted(d.grant)) {
		return refuse(dropExpired)
	}
	// Two secrets are good while they are rotated. The comparison inside takes the same time however many
	// bytes fit.
	for _, secret := range s.cfg.Secrets() {
		key := longTermKey(username, realm, makePassword(secret, username))
		if len(secret) > 0 && stunwire.CheckIntegrity(d.raw, d.message, key) {
			d.key = key
			return key, true
		}
	}
	return refuse(dropPassword)
}

// longTermKey: RFC 8489 section 9.2.2.
func longTermKey(username, realm, password string) []byte {
	sum := md5.Sum([]byte(username + ":" + realm + ":" + password))
	return sum[:]
}

// Revoke ends what Credentials has made for peer: from now on they open no relay, and those that are open live until
// their next refresh is due. It is for peers whose session has ended, and may be called from any goroutine.
func (s *Server) Revoke(peer string) { s.revoked.add(peer, s.cfg.now()) }

const (
	// revokedLife is longer than any credentials that are given out: what is older is refused for its age.
	revokedLife = 2 * time.Hour
	// maxRevoked bounds each of the two generations of names, about 100 bytes each. Beyond it the oldest are forgotten
	// before their time.
	maxRevoked = 32768
)

// revocations are the peers whose credentials are void: two generations, so that forgetting costs nothing.
type revocations struct {
	mu       sync.Mutex
	now, old map[string]struct{} // guarded by mu
	since    time.Time           // of now; guarded by mu
}

func (r *revocations) add(peer string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.since) > revokedLife || len(r.now) >= maxRevoked {
		r.old, r.now, r.since = r.now, map[string]struct{}{}, now
	}
	r.now[peer] = struct{}{}
}

func (r *revocations) has(peer string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, young := r.now[peer]
	_, old := r.old[peer]
	return young || old
}

// granted says whether g has a relay open.
func (s *Server) granted(g grant) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grants[g] > 0
}

// sourceOf gives the address of a client in its one form. The media socket keeps a note of its own in the zone.
func sourceOf(a net.Addr) netip.AddrPort {
	var from netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		from = a.AddrPort()
	case *net.TCPAddr:
		from = a.AddrPort()
	}
	return netip.AddrPortFrom(from.Addr().Unmap().WithZone(""), from.Port())
}
