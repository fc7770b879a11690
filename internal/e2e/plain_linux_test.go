package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

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
	first, second := st.serveOnLAN(t, server, atServer), fmt.Sprintf("%s:8443", otherAtServer.Addr)

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

	onTV := st.browserOnLAN(t, tv, bare)
	d := &display{onTV.open(t, "television", "http://"+first+"/d?name=TV", withReader("#picture"))}
	began := time.Now()
	d.waitState(joinTime, "code")
	if eval[bool](d.window, "isSecureContext") {
		t.Error("the television's page counts as secure, so this shows nothing")
	}
	c := &caster{st.browserOnLAN(t, laptop, home).open(t, "laptop", "http://"+second+"/")}
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

// serveOnLAN runs a server with --http-displays in a namespace until the test ends, and gives its host and port.
func (st *stage) serveOnLAN(t *testing.T, n *linksim.Namespace, at linksim.End) string {
	t.Helper()
	out := new(tail)
	cmd := exec.Command(st.binary, "serve", "--addr", ":8443", "--data", st.data, "--admin-addr", "off", "--http-displays")
	cmd.Env = []string{"HOME=" + st.home, "PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = out, out
	if err := n.Enter(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	t.Cleanup(func() {
		if err := endProcess(cmd, gone, 30*time.Second); err != nil {
			t.Errorf("the server: %v\n%s", err, out)
		}
	})
	base := fmt.Sprintf("%s:8443", at.Addr)
	eventually(t, joinTime, "the server", func() (bool, string) { return strings.Contains(out.String(), base), out.String() })
	return base
}

// browserOnLAN starts a headless Chromium with a home directory of its own in a namespace, until the test ends.
func (st *stage) browserOnLAN(t *testing.T, n *linksim.Namespace, home string) *browser {
	t.Helper()
	b := &browser{out: new(tail)}
	var entered error
	opts := append([]chromedp.ExecAllocatorOption{}, quiet...)
	opts = append(opts,
		chromedp.ExecPath("chromium"), chromedp.UserDataDir(filepath.Join(home, "profile")), chromedp.CombinedOutput(b.out), chromedp.Headless,
		chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-fake-ui-for-media-stream", true),
		chromedp.Env("HOME="+home, "XDG_CONFIG_HOME="+home+"/.config", "XDG_CACHE_HOME="+home+"/.cache",
			"DBUS_SESSION_BUS_ADDRESS=/dev/null"),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) { entered = n.Enter(cmd) }))
	alloc, cancelAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(alloc, chromedp.WithErrorf(func(string, ...any) {}))
	b.ctx, b.cancel = ctx, func() { cancel(); cancelAlloc() }
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		b.cancel()
		t.Fatalf("chromium does not start: %v %v\n%s", err, entered, b.out)
	}
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	return b
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
