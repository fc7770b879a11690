package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// firefox is one headless Firefox process, driven by WebDriver BiDi.
type firefox struct {
	wire *bidi
	in   place
	cmd  *exec.Cmd
	gone chan error
	out  *tail

	mu      sync.Mutex
	windows map[string]*window // by the browser's name of the page
}

// foxPreferences keep Firefox from doing anything that was not asked for, give it a camera without a camera, and let
// it play sound without a tap, as a person would allow it for the site. Its ICE leaves loopback addresses out
// otherwise, and hides its own behind names that need multicast DNS.
var foxPreferences = map[string]any{
	"app.normandy.enabled":                              false,
	"app.update.disabledForTesting":                     true,
	"browser.aboutwelcome.enabled":                      false,
	"browser.newtabpage.enabled":                        false,
	"browser.safebrowsing.downloads.enabled":            false,
	"browser.safebrowsing.malware.enabled":              false,
	"browser.safebrowsing.phishing.enabled":             false,
	"browser.sessionstore.resume_from_crash":            false,
	"browser.shell.checkDefaultBrowser":                 false,
	"browser.startup.page":                              0,
	"datareporting.policy.dataSubmissionEnabled":        false,
	"extensions.update.enabled":                         false,
	"media.autoplay.default":                            0,
	"media.gmp-manager.updateEnabled":                   false,
	"media.navigator.permission.disabled":               true,
	"media.navigator.streams.fake":                      true,
	"media.peerconnection.ice.loopback":                 true,
	"media.peerconnection.ice.obfuscate_host_addresses": false,
	"network.captive-portal-service.enabled":            false,
	"network.connectivity-service.enabled":              false,
	"network.dns.disablePrefetch":                       true,
	"network.prefetch-next":                             false,
	"network.trr.mode":                                  5,
	"services.settings.server":                          "data:,#remote-settings-dummy/v1",
	"toolkit.telemetry.reportingpolicy.firstRun":        false,
	"toolkit.telemetry.server":                          "data:,",
	"security.sandbox.content.level":                    0, // in CI a test runs as root in a container
}

// listening is what Firefox prints when it can be driven.
var listening = regexp.MustCompile(`WebDriver BiDi listening on (ws://[^\s]+)`)

// startFirefox starts Firefox with a new profile under home that trusts the certificate authority in the PEM file and
// plays its sound on the speaker.
func startFirefox(home, ca string, on *speaker, in place) (*firefox, error) {
	profile, err := os.MkdirTemp(home, "firefox-")
	if err != nil {
		return nil, err
	}
	if err := trustIn(profile, ca); err != nil {
		return nil, err
	}
	var prefs strings.Builder
	for name, value := range foxPreferences {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&prefs, "user_pref(%q, %s);\n", name, text)
	}
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(prefs.String()), 0o600); err != nil {
		return nil, err
	}
	f := &firefox{in: in, out: new(tail), gone: make(chan error, 1), windows: make(map[string]*window)}
	f.cmd = exec.Command("firefox-esr", "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port=0",
		"--window-size=1280,800")
	f.cmd.Env = []string{
		"HOME=" + home, "PATH=" + os.Getenv("PATH"), "PULSE_SERVER=" + on.address,
		"MOZ_CRASHREPORTER_DISABLE=1", "DBUS_SESSION_BUS_ADDRESS=/dev/null",
	}
	f.cmd.Stdout, f.cmd.Stderr = f.out, f.out
	if err := enter(in, f.cmd); err != nil {
		return nil, err
	}
	if err := f.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { f.gone <- f.cmd.Wait() }()
	if err := f.connect(); err != nil {
		return nil, errors.Join(err, f.close(), fmt.Errorf("firefox said:\n%s", f.out))
	}
	return f, nil
}

// startTime bounds the first start of a browser with a new profile, on a machine that has other things to do.
const startTime = 60 * time.Second

// connect waits for the address and opens the session.
func (f *firefox) connect() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	address := ""
	for address == "" {
		if m := listening.FindStringSubmatch(f.out.String()); m != nil {
			address = m[1]
			break
		}
		select {
		case err := <-f.gone:
			f.gone <- err
			return fmt.Errorf("firefox ended at once: %w", err)
		case <-ctx.Done():
			return errors.New("firefox does not say where it can be driven")
		case <-time.After(50 * time.Millisecond):
		}
	}
	var err error
	if f.wire, err = dialBidi(ctx, f.in, address, f.event); err != nil {
		return err
	}
	if err := f.wire.call(ctx, "session.new", map[string]any{"capabilities": struct{}{}}, nil); err != nil {
		return err
	}
	return f.wire.call(ctx, "session.subscribe", map[string]any{"events": []string{"log.entryAdded"}}, nil)
}

// close ends the browser and waits for its process.
func (f *firefox) close() error {
	if f.wire != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		_ = f.wire.call(ctx, "browser.close", struct{}{}, nil) // the process is looked at below
		cancel()
		f.wire.close()
		select {
		case <-f.gone:
			return nil
		case <-time.After(20 * time.Second):
		}
	}
	return endProcess(f.cmd, f.gone, 20*time.Second)
}

// event takes an entry of a console to the window that it belongs to.
func (f *firefox) event(method string, params json.RawMessage) {
	if method != "log.entryAdded" {
		return
	}
	var entry struct {
		Type   string `json:"type"` // console or javascript
		Level  string `json:"level"`
		Text   string `json:"text"`
		Source struct {
			Context string `json:"context"`
		} `json:"source"`
	}
	if json.Unmarshal(params, &entry) != nil || entry.Level != "error" {
		return
	}
	f.mu.Lock()
	w := f.windows[entry.Source.Context]
	f.mu.Unlock()
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fmt.Sprintf("%s %s: %s", entry.Type, entry.Level, entry.Text))
}

// open opens url in a new window with a fresh profile, with the scripts in every document before its own, and closes
// it when the test ends.
func (f *firefox) open(t *testing.T, name, url string, scripts ...string) *window {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	p, err := f.wire.newTab(ctx)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	w := &window{t: t, name: name, tab: p, ctx: context.Background()}
	f.mu.Lock()
	f.windows[p.context] = w
	f.mu.Unlock()
	t.Cleanup(w.close)
	for _, script := range scripts {
		if err := p.before(ctx, script); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if err := p.navigate(ctx, url); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return w
}

// firefox answers the Firefox that the tests share, started by the first that asks.
func (st *stage) firefox(t *testing.T) *firefox {
	t.Helper()
	if st.fox == nil {
		st.fox = st.firefoxIn(t, nil)
	}
	return st.fox
}

// firefoxIn starts a Firefox of the test's own in the place. Whoever asks for it closes it.
func (st *stage) firefoxIn(t *testing.T, in place) *firefox {
	t.Helper()
	need(t, "firefox-esr", "pulseaudio")
	var err error
	if st.speaker == nil {
		if st.speaker, err = openSpeaker(st.dir); err != nil {
			t.Fatal(err)
		}
	}
	fox, err := startFirefox(st.home, filepath.Join(st.dir, "ca.crt"), st.speaker, in)
	if err != nil {
		t.Fatal(err)
	}
	return fox
}
