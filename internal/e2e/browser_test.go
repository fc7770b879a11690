package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// browser is one Chromium process with its own home directory and certificate store. Its windows are pages, each
// in a profile of its own unless it says otherwise.
type browser struct {
	ctx    context.Context
	cancel context.CancelFunc
	out    *tail
}

// patternTitle is the title of the window that casters capture, the rest its size in pixels.
const (
	patternTitle  = "castcode pattern"
	patternWidth  = 960
	patternHeight = 640
)

// quiet is what keeps Chromium from doing anything that was not asked for, and from slowing down windows that
// nobody looks at.
var quiet = []chromedp.ExecAllocatorOption{
	chromedp.NoFirstRun,
	chromedp.NoDefaultBrowserCheck,
	chromedp.NoSandbox, // a test runs as root in CI, where the sandbox refuses to start
	chromedp.DisableGPU,
	chromedp.Flag("disable-dev-shm-usage", true),
	chromedp.Flag("disable-background-networking", true),
	chromedp.Flag("disable-component-update", true),
	chromedp.Flag("disable-default-apps", true),
	chromedp.Flag("disable-extensions", true),
	chromedp.Flag("disable-sync", true),
	chromedp.Flag("disable-breakpad", true),
	chromedp.Flag("disable-hang-monitor", true),
	chromedp.Flag("disable-background-timer-throttling", true),
	chromedp.Flag("disable-backgrounding-occluded-windows", true),
	chromedp.Flag("disable-renderer-backgrounding", true),
	chromedp.Flag("disable-features", "Translate,CalculateNativeWinOcclusion,MediaRouter,DialMediaRouteProvider"),
	chromedp.Flag("password-store", "basic"),
	chromedp.Flag("force-color-profile", "srgb"),
	chromedp.Flag("metrics-recording-only", true),
}

// startBrowser starts Chromium with home as its home directory. Without a screen it is headless and gives out a camera
// without asking; with one, its windows appear there and getDisplayMedia captures the pattern window without asking.
// It is driven through pipes, so that it can be in any place.
func startBrowser(home string, on *screen, in place) (*browser, error) {
	profile, err := os.MkdirTemp(home, "profile-")
	if err != nil {
		return nil, err
	}
	b := &browser{out: new(tail)}
	opts := append([]chromedp.ExecAllocatorOption{}, quiet...)
	opts = append(opts,
		chromedp.ExecPath("chromium"),
		chromedp.UserDataDir(profile),
		chromedp.CombinedOutput(b.out),
		chromedp.Env("HOME="+home, "XDG_CONFIG_HOME="+home+"/.config", "XDG_CACHE_HOME="+home+"/.cache",
			"DBUS_SESSION_BUS_ADDRESS=/dev/null"))
	if on == nil {
		opts = append(opts, chromedp.Headless, chromedp.WindowSize(1280, 800),
			chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-fake-ui-for-media-stream", true))
	} else {
		opts = append(opts,
			chromedp.Env("DISPLAY="+on.name),
			chromedp.WindowSize(patternWidth, patternHeight),
			chromedp.Flag("auto-select-window-capture-source-by-title", patternTitle),
			chromedp.Flag("use-fake-device-for-media-stream", true))
	}
	var entered error
	if in != nil {
		opts = append(opts, chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) { entered = in.Enter(cmd) }))
	}
	alloc, cancelAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(alloc, chromedp.WithErrorf(func(string, ...any) {}))
	b.ctx, b.cancel = ctx, func() { cancel(); cancelAlloc() }
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		b.cancel()
		return nil, fmt.Errorf("chromium does not start: %w\n%s", errors.Join(err, entered), b.out)
	}
	return b, nil
}

// browserIn starts a headless Chromium in another network, with home as its home directory, until the test ends.
func browserIn(t *testing.T, home string, in place) *browser {
	t.Helper()
	b, err := startBrowser(home, nil, in)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// close ends the browser and waits for its process.
func (b *browser) close() error {
	err := chromedp.Cancel(b.ctx)
	b.cancel()
	return err
}

// window is one page on the screen. Whatever its console complains about fails the test when the window is closed.
type window struct {
	t      *testing.T
	name   string // who it is in the test: "display", "viewer 2"
	ctx    context.Context
	cancel context.CancelFunc
	read   chan struct{} // closed when the console has been read to its end
	tab    *tab          // the page in Firefox; nil in Chromium, which has the three fields above

	once sync.Once // of close

	mu      sync.Mutex
	faults  []string
	excused []string
}

// open opens url in a new window with a fresh profile, and closes it when the test ends.
func (b *browser) open(t *testing.T, name, url string, steps ...chromedp.Action[chromedp.Void]) *window {
	t.Helper()
	w := &window{t: t, name: name, read: make(chan struct{})}
	w.ctx, w.cancel = chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	console := chromedp.Console(w.ctx)
	go func() {
		defer close(w.read)
		for m, err := range console {
			if err != nil {
				return
			}
			w.note(m)
		}
	}()
	t.Cleanup(w.close)
	w.do(chromedp.Func(focused))
	w.do(append(steps, chromedp.Navigate(url))...)
	return w
}

// openWith is open with scripts in every document before its own.
func (b *browser) openWith(t *testing.T, name, url string, scripts ...string) *window {
	t.Helper()
	steps := make([]chromedp.Action[chromedp.Void], len(scripts))
	for i, script := range scripts {
		steps[i] = withScript(script)
	}
	return b.open(t, name, url, steps...)
}

// focused makes the window behave as the one in front: there are several, and only one can have the focus of the
// screen.
func focused(ctx context.Context, t *chromedp.Target) error {
	_, err := cdp.Call(ctx, t, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	return err
}

// note keeps a message of the console if it is a fault: an exception that nobody caught, an error of the page, a
// breach of the content security policy.
func (w *window) note(m chromedp.ConsoleMessage) {
	policy := strings.Contains(m.Text, "Content Security Policy") || strings.Contains(m.Text, "Content-Security-Policy") ||
		strings.Contains(m.Text, "TrustedHTML") || strings.Contains(m.Text, "TrustedScript")
	if !m.IsException() && m.Type != chromedp.ConsoleError && !policy {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fmt.Sprintf("%s %s:%d: %s", m.Type, m.URL, m.Line+1, m.Text))
}

// excuse names a text in the console that the test itself provokes, such as a socket that it cuts. Exceptions and
// breaches of policy are never excused.
func (w *window) excuse(texts ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.excused = append(w.excused, texts...)
}

// close closes the window, once.
func (w *window) close() { w.once.Do(w.shut) }

// shut closes the window, waits for the reader of its console, and reports what was in there.
func (w *window) shut() {
	if w.t.Failed() {
		w.t.Logf("%s: at the end: %s", w.name, w.describe())
	}
	if err := w.end(); err != nil {
		w.t.Logf("%s: closing: %v", w.name, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.faults {
		if !w.isExcused(f) {
			w.t.Errorf("%s: console: %s", w.name, f)
		}
	}
}

// end closes the page and waits until nothing of its console is to come.
func (w *window) end() error {
	if w.tab != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stepTime)
		defer cancel()
		return w.tab.close(ctx)
	}
	err := chromedp.Cancel(w.ctx)
	w.cancel()
	<-w.read
	return err
}

func (w *window) isExcused(fault string) bool {
	if strings.HasPrefix(fault, string(chromedp.ConsoleException)) || strings.Contains(fault, "Content Security Policy") {
		return false
	}
	for _, text := range w.excused {
		if strings.Contains(fault, text) {
			return true
		}
	}
	return false
}

// describe says in a line what the page is showing.
func (w *window) describe() string {
	s, err := try[string](w, `location.pathname + ' state=' + (document.body?.dataset.state ?? '') +
		' text=' + (document.body?.innerText ?? '').replaceAll(/\s+/g, ' ').slice(0, 300)`)
	if err != nil {
		return err.Error()
	}
	return s
}

// stepTime bounds one step in a page. Pages answer within milliseconds; two processors shared by several
// browsers sometimes do not.
const stepTime = 20 * time.Second

// do runs steps in the page; an error ends the test.
func (w *window) do(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, stepTime)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		w.t.Fatalf("%s: %v\n%s", w.name, err, w.describe())
	}
}

// try evaluates a JavaScript expression in the page; a promise is awaited.
func try[T any](w *window, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(w.ctx, stepTime)
	defer cancel()
	if w.tab == nil {
		return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	}
	var v T
	raw, err := w.tab.evaluate(ctx, expression)
	if err == nil {
		err = json.Unmarshal(raw, &v)
	}
	return v, err
}

// eval is try for expressions that must not fail.
func eval[T any](w *window, expression string) T {
	w.t.Helper()
	v, err := try[T](w, expression)
	if err != nil {
		w.t.Fatalf("%s: %s: %v", w.name, expression, err)
	}
	return v
}

// click presses the element with a real mouse event; it must be visible.
func (w *window) click(css string) {
	w.t.Helper()
	if w.tab == nil {
		w.do(chromedp.WaitVisible(chromedp.CSS(css)), chromedp.Click(chromedp.CSS(css)))
		return
	}
	eventually(w.t, stepTime, w.name+": press "+css, func() (bool, string) {
		if seen, err := try[bool](w, `document.querySelector(`+quote(css)+`)?.checkVisibility() ?? false`); err != nil || !seen {
			return false, fmt.Sprint("not in sight ", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), stepTime)
		defer cancel()
		err := w.tab.click(ctx, css)
		return err == nil, fmt.Sprint(err)
	})
}

// keys types text with real key events into what has the focus.
func (w *window) keys(text string) {
	w.t.Helper()
	w.do(chromedp.KeyEvent(text))
}

// state is the page's data-state; empty while the page loads.
func (w *window) state() string {
	s, err := try[string](w, `document.body?.dataset.state ?? ''`)
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return s
}

// waitState waits until the page is in one of the states, and answers which.
func (w *window) waitState(within time.Duration, states ...string) string {
	w.t.Helper()
	var now string
	eventually(w.t, within, w.name+": state "+strings.Join(states, " or "), func() (bool, string) {
		now = w.state()
		for _, s := range states {
			if s == now {
				return true, now
			}
		}
		return false, w.describe()
	})
	return now
}
