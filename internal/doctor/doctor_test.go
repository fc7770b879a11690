package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io/fs"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun"

	"castcode/web"
)

// keys are what f says, without the common part.
func keys(f Finding) string {
	var list []string
	for _, p := range f.Said {
		list = append(list, strings.TrimPrefix(p.Key, "doctor."))
	}
	return strings.Join(list, " ")
}

func TestTripsAndWhatIsShut(t *testing.T) {
	ends := []end{{"192.0.2.1", "8443"}, {"2001:db8::1", "443"}}
	for _, c := range []struct {
		name  string
		f     Finding
		state State
		says  string
	}{
		{"near", trip("udp", "192.0.2.1:8443", "", time.Millisecond), OK, "trip"},
		{"seen from outside", trip("udp", "192.0.2.1:8443", "198.51.100.1:9", slowTrip), OK, "trip_mapped"},
		{"far", trip("udp", "192.0.2.1:8443", "", slowTrip+1), Slow, "trip far"},
		{"silent", shut("udp", "udp", ends, ""), Blocked, "silent open_udp open_udp"},
		{"refused", shut("turn-tls", "tls", ends[:1], "connection refused"), Blocked, "failed open_tls"},
		{"clock", clockOff(-maxSkew), OK, "clock_right"},
		{"clock behind", clockOff(-maxSkew - time.Second), Slow, "clock_wrong clock_set"},
		{"clock ahead", clockOff(time.Hour), Slow, "clock_wrong clock_set"},
		{"buffers", buffers(4<<20, nil), OK, "buffers_ok"},
		{"small buffers", buffers(212992, nil), Slow, "buffers_small mend"},
		{"buffers, unknown", buffers(0, errUnknown), Absent, "machine_unknown"},
		{"GSO", segmentation(true, nil), OK, "gso_ok"},
		{"no GSO", segmentation(false, nil), Slow, "gso_no mend"},
		{"GSO, unknown", segmentation(false, errUnknown), Absent, "machine_unknown"},
		{"files", openFiles(wantedFiles, nil), OK, "files_ok"},
		{"few files", openFiles(1024, nil), Slow, "files_few mend"},
		{"files, unknown", openFiles(0, errUnknown), Absent, "machine_unknown"},
		{"disk", diskLeft("/", wantedDisk<<20), OK, "disk_ok"},
		{"disk full", diskLeft("/", wantedDisk<<20-1), Blocked, "disk_full mend"},
		{"time service", timeService(true, nil), OK, "ntp_ok"},
		{"none", timeService(false, nil), Slow, "ntp_no mend"},
		{"unknown", timeService(false, errUnknown), Absent, "machine_unknown"},
		{"data", dataDirectory(t.TempDir()), OK, "data_ok"},
		{"no data", dataDirectory("/nowhere/at/all"), Blocked, "data_bad mend"},
	} {
		if c.f.State != c.state || keys(c.f) != c.says {
			t.Errorf("%s: %s %q, want %s %q", c.name, c.f.State, keys(c.f), c.state, c.says)
		}
	}
	f := shut("udp", "udp", ends, "")
	if f.Said[0].With["address"] != "192.0.2.1:8443, [2001:db8::1]:443" || f.Said[2].With["host"] != "2001:db8::1" || f.Said[2].With["port"] != "443" {
		t.Errorf("names %v", f.Said)
	}
}

func TestCertificates(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tester"}, DNSNames: []string{"cast.test"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
	}, &x509.Certificate{Subject: pkix.Name{CommonName: "tester"}}, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		leaf  *x509.Certificate
		err   error
		own   bool
		host  string
		now   time.Time
		state State
		says  string
	}{
		{"good", leaf, nil, false, "cast.test", now, OK, "cert"},
		{"own CA", leaf, nil, true, "cast.test", now, OK, "cert cert_own"},
		{"unknown", leaf, x509.UnknownAuthorityError{}, false, "cast.test", now, Blocked, "cert_unknown cert_install"},
		{"other name", leaf, x509.HostnameError{}, false, "other.test", now, Blocked, "cert_name"},
		{"over", leaf, x509.CertificateInvalidError{}, false, "cast.test", now.Add(2 * time.Hour), Blocked, "cert_expired"},
		{"not yet", leaf, x509.CertificateInvalidError{}, false, "cast.test", now.Add(-2 * time.Hour), Blocked, "cert_expired"},
		{"else", leaf, errors.New("odd\nand more"), false, "cast.test", now, Blocked, "failed"},
		{"no TLS", nil, errors.New("no TLS"), false, "cast.test", now, Blocked, "failed open_tcp"},
	} {
		f := certificate(c.leaf, c.err, c.own, &url.URL{Scheme: "https", Host: c.host + ":8443"}, c.now)
		if f.State != c.state || keys(f) != c.says {
			t.Errorf("%s: %s %q, want %s %q", c.name, f.State, keys(f), c.state, c.says)
		}
	}
}

func TestAnswersAndRelaysAreRead(t *testing.T) {
	sdp := "v=0\r\na=ice-ufrag:ours\r\na=ice-pwd:secret0123456789abcdef\r\n" +
		"a=candidate:1 1 udp 2130706431 192.0.2.1 8443 typ host\r\na=candidate:1 1 UDP 2130706431 192.0.2.1 8443 typ host\r\n" +
		"a=candidate:2 1 tcp 1671430143 2001:db8::1 443 typ host tcptype passive\r\n" +
		"a=candidate:3 2 udp 1 192.0.2.2 1 typ host\r\na=candidate:short\r\n"
	o, err := readAnswer(sdp)
	if err != nil || o.fragment != "ours" || !slices.Equal(o.udp, []end{{"192.0.2.1", "8443"}}) || !slices.Equal(o.tcp, []end{{"2001:db8::1", "443"}}) {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err := readAnswer("v=0\r\n"); err == nil {
		t.Error("an answer without credentials is taken")
	}
	flood := sdp + strings.Repeat("a=candidate:1 1 udp 1 192.0.2.3 ", 1)
	for i := range 100 {
		flood += "\r\na=candidate:1 1 udp 1 192.0.2.3 " + string(rune('a'+i%26)) + string(rune('a'+i/26)) + " typ host"
	}
	if o, _ := readAnswer(flood); len(o.udp) != maxCandidates {
		t.Errorf("%d candidates are kept", len(o.udp))
	}
	h := new(handed)
	err = json.Unmarshal([]byte(`{"ice":{"servers":[{"urls":["turn:a:1?transport=udp","turn:a:1?transport=tcp","turns:[2001:db8::1]:2?transport=tcp","turn:b","turns:c","stun:d:3"],"username":"u","credential":"p"}]}}`), h)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		scheme, transport string
		want              []end
	}{
		{"turn:", "udp", []end{{"a", "1"}, {"b", "3478"}}},
		{"turn:", "tcp", []end{{"a", "1"}}},
		{"turns:", "tcp", []end{{"2001:db8::1", "2"}, {"c", "5349"}}},
		{"turns:", "udp", nil},
	} {
		var got []end
		for _, r := range h.relays(c.scheme, c.transport) {
			got = append(got, r.end)
			if r.user != "u" || r.password != "p" {
				t.Errorf("%v", r)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s %s: %v, want %v", c.scheme, c.transport, got, c.want)
		}
	}
}

func TestOnlySignedAnswersOfTheCheckAreHeard(t *testing.T) {
	o := offered{fragment: "ours", password: "secret0123456789abcdef"}
	check, err := o.ask()
	if err != nil {
		t.Fatal(err)
	}
	build := func(setters ...stun.Setter) []byte {
		return stun.MustBuild(append([]stun.Setter{stun.NewTransactionIDSetter(check.TransactionID), stun.BindingSuccess}, setters...)...).Raw
	}
	mapped := &stun.XORMappedAddress{IP: []byte{192, 0, 2, 7}, Port: 9}
	if at, ok := o.hear(build(mapped, stun.NewShortTermIntegrity(o.password), stun.Fingerprint), check); !ok || at != "192.0.2.7:9" {
		t.Errorf("heard %q %v", at, ok)
	}
	for name, p := range map[string][]byte{
		"unsigned":        build(mapped),
		"wrong password":  build(mapped, stun.NewShortTermIntegrity("other")),
		"of another one":  stun.MustBuild(stun.TransactionID, stun.BindingSuccess, mapped, stun.NewShortTermIntegrity(o.password)).Raw,
		"our own check":   check.Raw,
		"nothing":         nil,
		"address cut off": build(stun.RawAttribute{Type: stun.AttrXORMappedAddress}, stun.NewShortTermIntegrity(o.password)),
	} {
		if _, ok := o.hear(p, check); ok {
			t.Errorf("%s is heard", name)
		}
	}
}

// Every text that a finding may have stands in the dictionary, with the holes that are filled.
func TestTextsOfFindingsAreThere(t *testing.T) {
	raw, err := fs.ReadFile(web.Files(), "lang/en.json")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	if err := json.Unmarshal(raw, &texts); err != nil {
		t.Fatal(err)
	}
	at := &url.URL{Scheme: "https", Host: "cast.test"}
	list := []Finding{
		trip("udp", "a", "b", time.Second), trip("tcp", "a", "", 1), shut("ice-tcp", "udp", []end{{"a", "1"}}, ""),
		shut("turn-udp", "tcp", []end{{"a", "1"}}, "x"), shut("turn-tls", "tls", []end{{"a", "1"}}, ""), clockOff(0), clockOff(time.Hour),
		found("websocket", Blocked, say("open_ws", "host", "", "port", "")), found("turn-tcp", Slow, say("not_offered"), say("no_probe", "reason", ""), say("unreached"), say("relay_four"), say("untrusted"), say("secure_only"), say("plain"), say("clock_unknown")),
		certificate(nil, errors.New("x"), false, at, time.Now()),
		buffers(1, nil), buffers(1<<30, nil), segmentation(true, nil), segmentation(false, nil), openFiles(1, nil), openFiles(1<<30, nil),
		diskLeft("/", 0), diskLeft("/", 1<<40), timeService(true, nil), timeService(false, nil), unknown("data"),
		dataDirectory(t.TempDir()), dataDirectory("/nowhere/at/all"),
	}
	for _, f := range list {
		for _, key := range []string{"doctor.name." + f.Check, "doctor.state." + string(f.State)} {
			if texts[key] == "" {
				t.Errorf("no text %q", key)
			}
		}
		for _, p := range f.Said {
			text := texts[p.Key]
			for name := range p.With {
				if !strings.Contains(text, "{"+name+"}") {
					t.Errorf("%s: %q has no {%s}", p.Key, text, name)
				}
				text = strings.ReplaceAll(text, "{"+name+"}", "")
			}
			if text == "" && len(p.With) == 0 || strings.Contains(text, "{") {
				t.Errorf("%s: %q is not filled", p.Key, text)
			}
		}
	}
}
