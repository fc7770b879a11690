package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"castcode/internal/linksim"
)

// TestNewcomerOnALAN has three machines: a server with --http-displays, a television whose browser has nothing installed
// and opens an address over plain HTTP, and a laptop on which the CA of the server was installed from its page /ca, and
// which casts over HTTPS without a warning.
func TestNewcomerOnALAN(t *testing.T) {
	st := onStage(t)
	lab := linksim.New(t)
	server, tv, laptop := lab.Namespace("server"), lab.Namespace("tv"), lab.Namespace("laptop")
	atServer, _ := lab.Cable(server, tv)
	otherAtServer, _ := lab.Cable(server, laptop)
	at := netip.AddrPortFrom(atServer.Addr, 8443)
	st.serveIn(t, server, at.Addr().String(), at, "--http-displays")
	first, second := at.String(), netip.AddrPortFrom(otherAtServer.Addr, 8443).String()

	// The laptop's home is fresh: what its browser trusts comes from the page over plain HTTP.
	home, bare := filepath.Join(st.dir, "laptop"), filepath.Join(st.dir, "tv")
	for _, dir := range []string{home, bare} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(home, "ca.crt")
	if err := fetchFrom(laptop, "http://"+second+"/ca.crt", file); err != nil {
		t.Fatal(err)
	}
	if err := trust(home, file); err != nil {
		t.Fatal(err)
	}

	onTV := browserIn(t, bare, tv)
	d := &display{onTV.open(t, "television", "http://"+first+"/d?name=TV", withReader("#picture"))}
	began := time.Now()
	d.waitState(joinTime, "code")
	if eval[bool](d.window, "isSecureContext") {
		t.Error("the television's page counts as secure, so this shows nothing")
	}
	c := &caster{browserIn(t, home, laptop).open(t, "laptop", "http://"+second+"/")}
	c.waitState(joinTime, "idle")
	if at := eval[string](c.window, "location.href"); !strings.HasPrefix(at, "https://"+second+"/") {
		t.Errorf("the caster's page is at %s", at)
	}
	c.typeCode("#code", d.code())
	c.waitState(joinTime, "choosing")
	c.click("#camera")
	c.waitState(joinTime, "live")
	d.waitState(joinTime, "live")
	eventually(t, joinTime, "the picture on the television", func() (bool, string) {
		wide := eval[int](d.window, `document.querySelector('#picture').videoWidth`)
		at := eval[float64](d.window, `document.querySelector('#picture').currentTime`)
		return wide > 0 && at > 1, fmt.Sprintf("%d wide, %.1f s", wide, at)
	})
	t.Logf("a picture for a second, %v after the television's page was there", time.Since(began).Round(time.Millisecond))

	// A second viewer, by the room's code on the television.
	v := onTV.open(t, "viewer", "http://"+first+"/w#c="+c.roomCode())
	v.waitState(joinTime, "live")
}

// fetchFrom stores what a URL gives to a machine in a namespace.
func fetchFrom(n *linksim.Namespace, url, file string) error {
	transport := &http.Transport{DialContext: n.Dial}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport, Timeout: joinTime}).Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s, %w", url, answer.Status, err)
	}
	return os.WriteFile(file, body, 0o600)
}
