package e2e

import (
	"bytes"
	"context"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestScreenshots takes a picture of each page in each language, for people to look at: in the directory
// CASTCODE_SHOTS, if that is set. The test itself checks that a page is in its language, shows its state, needs no
// scrolling to the side, and is not a single colour.
func TestScreenshots(t *testing.T) {
	st := onStage(t)
	dir := os.Getenv("CASTCODE_SHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := st.serve(t)
	st.pattern(t, 1)
	for _, lang := range []string{"en", "zh-CN"} {
		t.Run(lang, func(t *testing.T) {
			shoot := func(w *window, name string, width, height int64) {
				t.Helper()
				w.shoot(filepath.Join(dir, name+"-"+lang+".png"), lang, width, height)
			}
			home := st.headless.open(t, "start page", s.url("/?lang="+lang))
			home.waitState(joinTime, "idle")
			shoot(home, "home", 1440, 900)
			shoot(home, "home-phone", 390, 844)

			names := map[string][2]string{"en": {"Hall 1", "Hall 2"}, "zh-CN": {"一号会议室", "二号会议室"}}[lang]
			one := st.openDisplay(t, s, names[0], "&lang="+lang)
			shoot(one.window, "display-idle", 1920, 1080)
			two := st.openDisplay(t, s, names[1], "&lang="+lang)

			c := st.openCaster(t, s, "?lang="+lang)
			c.typeCode("#code", one.code())
			c.waitState(joinTime, "choosing")
			shoot(c.window, "caster-choosing", 1440, 900)
			c.share()
			c.typeCode("#add-code", two.code())
			two.settle()
			v := st.joinLink(t, s, "viewer", c.roomCode(), "?lang="+lang)
			v.settle()
			c.waitMembers(2, 1)
			one.settle()
			shoot(one.window, "display-live", 1920, 1080)
			shoot(v.window, "watch-live", 1280, 800)
			shoot(c.window, "caster-live", 1440, 900)
			c.click("#stop")
			c.waitState(joinTime, "ended", "idle")
		})
	}
}

// shoot writes what the window shows at the size to a PNG file.
func (w *window) shoot(file, lang string, width, height int64) {
	w.t.Helper()
	w.do(chromedp.EmulateViewport(width, height))
	if got := eval[string](w, `document.documentElement.lang`); got != lang {
		w.t.Errorf("%s: the page is in %q, want %q", w.name, got, lang)
	}
	if over := eval[float64](w, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
		w.t.Errorf("%s: %.0f pixels too wide for %d", filepath.Base(file), over, width)
	}
	// Two frames later the page has been laid out for the size, and pictures that were asked for are there.
	eval[bool](w, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`)
	eventually(w.t, joinTime, w.name+": its pictures", func() (bool, string) {
		n := eval[int](w, `[...document.images].filter((i) => i.checkVisibility() && !(i.complete && i.naturalWidth)).length`)
		return n == 0, "some are not loaded"
	})
	ctx, cancel := context.WithTimeout(w.ctx, stepTime)
	defer cancel()
	shot, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		w.t.Fatalf("%s: %v", w.name, err)
	}
	if colours(w.t, shot) < 3 {
		w.t.Errorf("%s shows nothing", filepath.Base(file))
	}
	if err := os.WriteFile(file, shot, 0o644); err != nil {
		w.t.Fatal(err)
	}
	w.do(chromedp.ResetViewport())
}

// colours counts the colours of a picture, up to a few.
func colours(t *testing.T, shot []byte) int {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[[3]uint32]struct{})
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y += 3 {
		for x := b.Min.X; x < b.Max.X && len(seen) < 8; x += 3 {
			r, g, bl, _ := img.At(x, y).RGBA()
			seen[[3]uint32{r, g, bl}] = struct{}{}
		}
	}
	return len(seen)
}
