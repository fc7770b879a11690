package e2e

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

//go:embed testdata/*.js testdata/*.html testdata/*.py
var testdata embed.FS

// servePatterns serves the pattern page on loopback, which browsers treat as secure.
func servePatterns() *httptest.Server {
	files, err := fs.Sub(testdata, "testdata")
	if err != nil {
		panic(err) // an embedded directory is there
	}
	serve := http.FileServerFS(files)
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/faulty.html" {
			w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; img-src data:")
		}
		serve.ServeHTTP(w, r)
	}))
}

// figures is what a reader saw since it was cleared. Times are milliseconds, moments are milliseconds since 1970.
type figures struct {
	Now        int64          `json:"now"`
	Since      int64          `json:"since"`
	Frames     int            `json:"frames"` // frames presented
	Read       int            `json:"read"`   // frames whose pattern was read, checksum and all
	Dark       int            `json:"dark"`   // frames that were black
	Faults     map[string]int `json:"faults"` // frames that could not be read, by reason
	IDs        map[string]int `json:"ids"`    // frames by number of the pattern window
	First      int64          `json:"first"`  // when the first frame was read
	FirstStamp int64          `json:"firstStamp"`
	Last       int64          `json:"last"`
	LastStamp  int64          `json:"lastStamp"`
	LastCount  int            `json:"lastCount"`
	Median     float64        `json:"median"` // age of the picture
	P95        float64        `json:"p95"`
	Max        float64        `json:"max"`
	Freezes    int            `json:"freezes"` // gaps of more than 500 ms
	LongestGap float64        `json:"longestGap"`
	Looks      int            `json:"looks"` // looks at the element, ten a second
	Blank      int            `json:"blank"` // of these, without a picture
	Blanks     map[string]int `json:"blanks"`
	Width      int            `json:"width"`
	Height     int            `json:"height"`
}

func (f figures) String() string {
	return fmt.Sprintf("%d frames in %.1f s (%d read, faults %v, %d dark), %dx%d, age median %.0f ms, p95 %.0f ms, max %.0f ms, "+
		"%d freezes, longest gap %.0f ms, blank %d of %d %v", f.Frames, float64(f.Now-f.Since)/1000, f.Read, f.Faults, f.Dark,
		f.Width, f.Height, f.Median, f.P95, f.Max, f.Freezes, f.LongestGap, f.Blank, f.Looks, f.Blanks)
}

// withReader is the step, before the first navigation, that puts a reader of the element into every document the
// window is going to show, so that not even the first frame is missed.
func withReader(css string) chromedp.Action[chromedp.Void] {
	return withScript(readerOf(css))
}

// readerOf is the script that reads the element from the moment it is there.
func readerOf(css string) string {
	return script("reader.js") + "\nif (window === window.top) readPattern(" + quote(css) + ");"
}

// script is a file of testdata.
func script(name string) string {
	source, err := testdata.ReadFile("testdata/" + name)
	if err != nil {
		panic(err) // embedded
	}
	return string(source)
}

// withScript is the step, before the first navigation, that runs a script in every document of the window before the
// document's own.
func withScript(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return err
	})
}

// figures takes the reader's figures home.
func (w *window) figures() figures {
	w.t.Helper()
	return eval[figures](w, `window.reader.figures()`)
}

// clear makes the reader forget what it saw.
func (w *window) clear() {
	w.t.Helper()
	eval[bool](w, `(window.reader.clear(), true)`)
}

// waitFrame waits for a frame that was drawn after the moment (milliseconds since 1970) and answers the figures.
func (w *window) waitFrame(within time.Duration, after time.Time) figures {
	w.t.Helper()
	var f figures
	eventually(w.t, within, w.name+": a new frame", func() (bool, string) {
		var err error
		if f, err = try[figures](w, `window.reader.figures()`); err != nil {
			return false, err.Error() // between two documents
		}
		return f.LastStamp > after.UnixMilli(), f.String() + "; " + w.describe()
	})
	return f
}

// settle waits for a picture in a page that is live, and forgets what came before: a page shows its picture a
// moment after the first frame is there.
func (w *window) settle() {
	w.t.Helper()
	w.waitFrame(joinTime, time.Now())
	w.waitState(joinTime, "live")
	eventually(w.t, joinTime, w.name+": the picture in sight", func() (bool, string) {
		why := eval[string](w, `window.reader.blankNow()`)
		return why == "", why
	})
	w.clear()
}

// watch reads frames for a time, and asserts that they come at a rate of at least fps, unspoilt, that the picture
// never goes away meanwhile, and that it is not old.
func (w *window) watch(during time.Duration, fps float64) figures {
	w.t.Helper()
	w.clear()
	var f figures
	eventually(w.t, during+stepTime, w.name+": watching", func() (bool, string) {
		f = w.figures()
		return f.Now-f.Since >= during.Milliseconds(), f.String()
	})
	if got := float64(f.Read) * 1000 / float64(f.Now-f.Since); got < fps {
		w.t.Errorf("%s: %.1f frames a second, want %.0f: %v", w.name, got, fps, f)
	}
	if f.Blank > 0 || f.Dark > 0 {
		w.t.Errorf("%s: the picture went away: %v", w.name, f)
	}
	if f.Median > 2000 {
		w.t.Errorf("%s: the picture is old: %v", w.name, f)
	}
	return f
}
