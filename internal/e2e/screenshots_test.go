package e2e

import (
	"bytes"
	"context"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
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
			c.click("#encoder-open")
			shoot(c.window, "caster-encoder", 1440, 1400)
			c.click("#stop")
			c.waitState(joinTime, "ended", "idle")

			e := st.headless.open(t, "host", s.url("/?lang="+lang))
			e.waitState(joinTime, "idle")
			e.hostFrom("#host-home")
			e.dark(false)
			shoot(e, "encoder-waiting", 1440, 1100)
			e.hears(encoderWell)
			shoot(e, "encoder-well", 1440, 900)
			e.hears(encoderThere)
			shoot(e, "encoder-warnings", 1440, 1300)
			e.dark(true)
			e.click("#tab-ffmpeg")
			shoot(e, "encoder-dark", 1440, 1300)
			shoot(e, "encoder-dark-phone", 360, 2300)
			e.dark(false)
			e.hears(encoderGone)
			e.click("#tab-gstreamer")
			shoot(e, "encoder-gone-phone", 360, 2300)
			e.click("#tab-phone")
			e.click("#show-token-qr")
			shoot(e, "encoder-qr", 1080, 1300)
		})
	}
}

// What an encoder makes the server say: one that does well, one that does much wrong, and one that has left.
const (
	encoderWell = `{ present: true, agent: 'OBS', since: 754000, warnings: [], streams: [
		{ slot: 'screen', rid: '', codec: 'H264', width: 1920, height: 1080, fps: 29.97, bitrate: 4210000, keyframe: 1240 },
		{ slot: 'audio', rid: '', codec: 'opus', width: 0, height: 0, fps: 0, bitrate: 128000, keyframe: 0 }] }`
	encoderThere = `{ present: true, agent: 'OBS', since: 754000, warnings: ['no_keyframe', 'b_frames', 'no_audio', 'timestamps'], streams: [
		{ slot: 'screen', rid: 'h', codec: 'H264', width: 1920, height: 1080, fps: 29.97, bitrate: 4210000, keyframe: 12400 },
		{ slot: 'screen', rid: 'l', codec: 'H264', width: 640, height: 360, fps: 30, bitrate: 512000, keyframe: 840 }] }`
	encoderGone = `{ present: false, agent: 'FFmpeg', since: 12000, warnings: [], streams: [],
		refused: { code: 'bad_offer', reason: 'm-line "0" has no a=rtcp-mux' } }`
)

// dark makes the system of the window wish for dark colours, or not, and for no transitions between the two.
func (w *window) dark(wish bool) {
	w.t.Helper()
	value := "light"
	if wish {
		value = "dark"
	}
	w.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}, {Name: "prefers-reduced-motion", Value: "reduce"}}
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return err
	}))
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
