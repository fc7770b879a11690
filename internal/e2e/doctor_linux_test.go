package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"castcode/internal/linksim"
)

// doctorTime is how long the page may take where paths are blocked.
const doctorTime = 20 * time.Second

// examined waits for the page's end and gives what it found: check by check, the state and the text.
func (w *window) examined() (found map[string]string, said map[string]string) {
	w.t.Helper()
	w.waitState(doctorTime, "tested")
	found, said = map[string]string{}, map[string]string{}
	for _, row := range eval[[][3]string](w, `[...document.querySelectorAll('.check')].map((n) => [n.id.slice(6), n.dataset.found, n.querySelector('.said').innerText])`) {
		found[row[0]], said[row[0]] = row[1], row[2]
	}
	return found, said
}

// wants compares what was found.
func (w *window) wants(found, said, want map[string]string) {
	w.t.Helper()
	for check, state := range want {
		if found[check] != state {
			w.t.Errorf("%s: %s is %q (%s), want %q", w.name, check, found[check], said[check], state)
		}
	}
}

func TestDoctorPage(t *testing.T) {
	st := onStage(t)
	dir := os.Getenv("CASTCODE_SHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	s := st.serve(t)
	for lang, good := range map[string]string{"en": "Everything works", "zh-CN": "一切正常"} {
		w := st.headless.open(t, "doctor "+lang, s.url("/doctor?lang="+lang))
		found, said := w.examined()
		want := map[string]string{"wake": found["wake"], "ice-tcp": found["ice-tcp"]} // a headless screen; what the server offers
		for _, check := range []string{"https", "websocket", "udp", "tcp", "turn-udp", "turn-tcp", "turn-tls", "clock", "codecs", "capture", "autoplay", "full"} {
			want[check] = "ok"
		}
		w.wants(found, said, want)
		if len(found) != len(want) {
			t.Errorf("%s: found %v", lang, found)
		}
		if sum := eval[string](w, `document.getElementById('sum').innerText`); !strings.Contains(sum, good) {
			t.Errorf("%s: in all %q", lang, sum)
		}
		if port := fmt.Sprintf(":%d", s.port); !strings.Contains(said["udp"], port) || !strings.Contains(said["turn-tls"], port) {
			t.Errorf("%s: UDP %q, TURN over TLS %q do not name %s", lang, said["udp"], said["turn-tls"], port)
		}
		w.copiesNoSecrets()
		w.dark(lang == "zh-CN")
		w.shoot(filepath.Join(dir, "doctor-"+lang+"-1280.png"), lang, 1280, 1500)
		w.shoot(filepath.Join(dir, "doctor-"+lang+"-360.png"), lang, 360, 2400)
		w.click("#again")
		w.waitState(joinTime, "testing", "tested")
		if again, said := w.examined(); again["udp"] != "ok" {
			t.Errorf("%s, again: UDP %q (%s)", lang, again["udp"], said["udp"])
		}
	}
	home := st.headless.open(t, "start page", s.url("/?lang=en"))
	home.waitState(joinTime, "idle")
	home.click(`footer a[href="/doctor"]`)
	home.waitState(doctorTime, "testing", "tested")
}

// copiesNoSecrets presses the button and reads the text that it leaves on the page too.
func (w *window) copiesNoSecrets() {
	w.t.Helper()
	w.click("#copy")
	var text string
	eventually(w.t, joinTime, w.name+": the text", func() (bool, string) {
		text = eval[string](w, `document.getElementById('text').hidden ? '' : document.getElementById('text').value`)
		return text != "", "nothing yet"
	})
	for _, secret := range []string{":q_", "ice-pwd", "ice-ufrag", "credential", "password"} {
		if strings.Contains(text, secret) {
			w.t.Errorf("%s: the text has %q:\n%s", w.name, secret, text)
		}
	}
	if n := strings.Count(text, "\n["); n != 14 {
		w.t.Errorf("%s: %d checks in\n%s", w.name, n, text)
	}
}

// From a network that blocks UDP, and over plain HTTP from one that does not.
func TestDoctorPageWithoutUDP(t *testing.T) {
	st := onStage(t)
	lab := linksim.New(t)
	there, here := lab.Namespace("server"), lab.Namespace("doctor")
	atServer, atHere := lab.Cable(there, here)
	// Without a default route a page that may not use the camera gathers no candidate.
	here.Route(netip.Prefix{}, atServer.Addr)
	there.Route(netip.Prefix{}, atHere.Addr)
	settled(t, there, here)
	at := netip.AddrPortFrom(atServer.Addr, 8443)
	st.serveIn(t, there, at.Addr().String(), at)
	base, b := at.String(), browserIn(t, st.home, here)

	there.Filter(`table inet doctor {
		chain in {
			type filter hook input priority 0
			meta l4proto udp drop
		}
	}`)
	w := b.open(t, "no UDP", "https://"+base+"/doctor?lang=en")
	found, said := w.examined()
	w.wants(found, said, map[string]string{
		"https": "ok", "websocket": "ok", "udp": "blocked", "turn-udp": "blocked", "tcp": "ok", "turn-tcp": "ok", "turn-tls": "ok",
	})
	host, port, _ := strings.Cut(base, ":")
	if want := "allow UDP from this network to " + host + ", port " + port; !strings.Contains(said["udp"], want) {
		t.Errorf("no UDP: says %q, want %q", said["udp"], want)
	}
	if sum := eval[string](w, `document.getElementById('sum').innerText`); !strings.Contains(sum, "slower path") {
		t.Errorf("no UDP: in all %q", sum)
	}
	if dir := os.Getenv("CASTCODE_SHOTS"); dir != "" {
		w.dark(false)
		w.shoot(filepath.Join(dir, "doctor-blocked-1280.png"), "en", 1280, 1700)
		w.shoot(filepath.Join(dir, "doctor-blocked-360.png"), "en", 360, 2600)
	}

	there.Open()
	plain := b.open(t, "plain HTTP", "http://"+base+"/doctor?lang=en")
	plain.excuse("WebSocket", "/ws", "Cross-Origin-Opener-Policy")
	found, said = plain.examined()
	plain.wants(found, said, map[string]string{
		"https": "none", "websocket": "none", "udp": "ok", "turn-udp": "ok", "turn-tcp": "ok", "turn-tls": "ok", "clock": "ok",
		"capture": "none", "wake": "none",
	})
	if !strings.Contains(said["https"], "https://"+base+"/doctor") || !strings.Contains(said["https"], "is trusted") {
		t.Errorf("plain HTTP: says %q", said["https"])
	}
}

// settled waits until no address is tentative (RFC 4862 section 5.4): a browser drops what is under way when it sees an
// address come.
func settled(t *testing.T, namespaces ...*linksim.Namespace) {
	t.Helper()
	for _, n := range namespaces {
		eventually(t, joinTime, "addresses that are ready", func() (bool, string) {
			out, err := n.Command(t.Context(), "ip", "-6", "addr", "show", "tentative").CombinedOutput()
			return err == nil && len(out) == 0, string(out)
		})
	}
}
