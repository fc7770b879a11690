package e2e

import (
	"fmt"
	"testing"
	"time"
)

// receiving is what a viewer's connection says about the picture that it gets. Counts are since the connection exists.
type receiving struct {
	Codec     string  `json:"codec"`   // as a MIME type
	Decoded   int     `json:"decoded"` // frames
	Keyframes int     `json:"keyframes"`
	Freezes   int     `json:"freezes"`
	Frozen    float64 `json:"frozen"` // seconds, all freezes together
	Asked     int     `json:"asked"`  // keyframes asked of the server
	Lost      int     `json:"lost"`   // packets
}

const receivingOf = `(async () => {
  const peer = window.castcode?.peer;
  if (!peer) return {};
  const stats = [...(await peer.getStats()).values()];
  const video = stats.find((s) => s.type === 'inbound-rtp' && s.kind === 'video');
  return { codec: stats.find((s) => s.id === video?.codecId)?.mimeType ?? '', decoded: video?.framesDecoded ?? 0,
    keyframes: video?.keyFramesDecoded ?? 0, freezes: video?.freezeCount ?? 0, frozen: video?.totalFreezesDuration ?? 0,
    asked: (video?.pliCount ?? 0) + (video?.firCount ?? 0), lost: video?.packetsLost ?? 0 };
})()`

func (w *window) receiving() receiving {
	w.t.Helper()
	return eval[receiving](w, receivingOf)
}

// asked is how many keyframes the server has asked of this caster, and how many frames it has encoded.
func (c *caster) asked() (keyframes, frames int) {
	c.t.Helper()
	n := eval[[2]int](c.window, `(async () => {
		const stats = [...(await window.castcode?.peer?.getStats())?.values() ?? []];
		const video = stats.find((s) => s.type === 'outbound-rtp' && s.kind === 'video');
		return [(video?.pliCount ?? 0) + (video?.firCount ?? 0), video?.framesEncoded ?? 0];
	})()`)
	return n[0], n[1]
}

// openViewers opens one watch page in each browser, which wait for a code: from here to the picture it is one step.
func (st *stage) openViewers(t *testing.T, at site) []*viewer {
	t.Helper()
	fox := st.firefox(t)
	all := []*viewer{
		{st.headless.open(t, "Chromium", at.url("/w"), withReader("#picture"), withScript(script("connected.js")))},
		{fox.open(t, "Firefox", at.url("/w"), readerOf("#picture"), script("connected.js"))},
	}
	for _, v := range all {
		v.waitState(joinTime, "code")
	}
	return all
}

// enter brings the code as a link does.
func (v *viewer) enter(code string) {
	v.t.Helper()
	eval[bool](v.window, `(location.hash = 'c=' + `+quote(code)+`, true)`)
}

// decodes says whether the browser claims to decode the codec.
func (w *window) decodes(codec string) bool {
	w.t.Helper()
	return eval[bool](w, `RTCRtpReceiver.getCapabilities('video').codecs.some((c) => c.mimeType === `+quote(codec)+`)`)
}

// TestEachCodecAtEachViewer casts in each codec that Chromium encodes, to Chromium, Firefox and aiortc.
func TestEachCodecAtEachViewer(t *testing.T) {
	st := onStage(t)
	needAiortc(t)
	s := st.serve(t)
	st.pattern(t, 1)
	for _, codec := range []string{"video/VP8", "video/VP9", "video/AV1", "video/H264"} {
		t.Run(codec[len("video/"):], func(t *testing.T) { castIn(t, st, s, codec) })
	}
}

// castIn casts in the codec: the first pictures come from the server's log, then frames come without a freeze and
// without a keyframe being asked of the caster.
func castIn(t *testing.T, st *stage, s *server, codec string) {
	viewers := st.openViewers(t, s)
	c := st.openCasterIn(t, s, codec)
	// The hint of the mode auto changes after some seconds, and Chromium begins a new stream then.
	c.castAs("#mode-video")
	code := s.keepSecret(c.roomCode())
	eventually(t, joinTime, "the caster encodes", func() (bool, string) {
		_, frames := c.asked()
		return frames > 5, fmt.Sprint(frames, " frames")
	})
	before, _ := c.asked()
	for _, v := range viewers {
		v.enter(code)
	}
	viewers = ableTo(t, viewers, codec)
	for _, v := range viewers {
		f := v.waitFrame(joinTime, time.Now())
		first := eval[[2]int64](v.window, `[window.decodedAt - window.connectedAt, window.connectedAt]`)
		t.Logf("%s: first frame decoded %d ms after it was connected, picture after %d ms, drawn %d ms before",
			v.name, first[0], f.First-first[1], f.First-f.FirstStamp)
		if took := f.First - first[1]; took > 5000 {
			t.Errorf("%s: the first picture took %d ms", v.name, took)
		}
		v.settle()
		waitFullSize(t, c, v.window)
	}
	joined, _ := c.asked()
	t.Logf("caster: %d keyframes asked before the viewers came, %d for them", before, joined-before)
	if joined-before > 1 {
		t.Errorf("the caster was asked for %d keyframes for viewers who can start from the log", joined-before)
	}
	watchAll(t, viewers, codec)
	after, _ := c.asked()
	if after != joined {
		t.Errorf("the caster was asked for %d keyframes while all was well", after-joined)
	}
	if codec == "video/VP8" || codec == "video/H264" {
		f := viewers[0].figures()
		decodeWithAiortc(t, s, code, f.Width, f.Height)
	}
	for _, v := range viewers {
		v.close()
	}
	c.close()
}

// openCasterIn opens the start page for a caster whose browser knows no other codec for the picture.
func (st *stage) openCasterIn(t *testing.T, at site, codec string) *caster {
	t.Helper()
	c := &caster{st.headed.open(t, "caster", at.url("/"), withScript(script("codec.js")+"\nonlyCodec("+quote(codec)+");"))}
	c.waitState(joinTime, "idle")
	return c
}

// castAs starts a cast without a display, in the mode whose switch is named.
func (c *caster) castAs(mode string) {
	c.t.Helper()
	c.click("#start")
	c.waitState(joinTime, "choosing")
	c.click("label:has(" + mode + ")")
	c.share()
}

// ableTo leaves the viewers whose browser decodes the codec. The others must have been told that theirs does not.
func ableTo(t *testing.T, viewers []*viewer, codec string) []*viewer {
	t.Helper()
	var able []*viewer
	for _, v := range viewers {
		if v.decodes(codec) {
			able = append(able, v)
			continue
		}
		t.Logf("%s does not decode %s: %s", v.name, codec, v.waitError(joinTime, "#code-error", "codec_unsupported"))
	}
	if len(able) == 0 || able[0].name != "Chromium" {
		t.Fatalf("Chromium does not decode %s", codec)
	}
	return able
}

// watchAll watches at several viewers at once for ten seconds, and asserts that each decodes the codec without a
// freeze, by the account of its browser and as it is presented. A machine with other things to do freezes a picture
// now and then, a server that does so does it again: one quiet span of three will do.
func watchAll(t *testing.T, viewers []*viewer, codec string) {
	t.Helper()
	for range 3 {
		if watchOnce(t, viewers, codec) {
			return
		}
	}
	t.Error("a picture stood still in each of three spans")
}

func watchOnce(t *testing.T, viewers []*viewer, codec string) (steady bool) {
	t.Helper()
	const during = 10 * time.Second
	start := make([]receiving, len(viewers))
	for i, v := range viewers {
		v.clear()
		start[i] = v.receiving()
	}
	steady = true
	for i, v := range viewers {
		var f figures
		eventually(t, during+stepTime, v.name+": watching", func() (bool, string) {
			f = v.figures()
			return f.Now-f.Since >= during.Milliseconds(), f.String()
		})
		r := v.receiving()
		r.Decoded -= start[i].Decoded
		r.Freezes -= start[i].Freezes
		t.Logf("%s: %v; %+v", v.name, f, r)
		if r.Codec != codec {
			t.Errorf("%s: the picture is %s, want %s", v.name, r.Codec, codec)
		}
		if fps := float64(r.Decoded) * 1000 / float64(f.Now-f.Since); fps < 8 {
			t.Errorf("%s decodes %.1f frames a second", v.name, fps)
		}
		if asked := r.Asked - start[i].Asked; asked > 0 {
			t.Errorf("%s asked for %d keyframes", v.name, asked)
		}
		if f.Blank > 0 || f.Dark > 0 || f.Median > 2000 {
			t.Errorf("%s: the picture went away or is old: %v", v.name, f)
		}
		steady = steady && r.Freezes == 0 && f.Freezes == 0
	}
	return steady
}

// TestFirefoxOnTheWall has a display in Firefox.
func TestFirefoxOnTheWall(t *testing.T) {
	st := onStage(t)
	s := st.serve(t)
	fox := st.firefox(t)
	st.pattern(t, 1)
	d := &display{fox.open(t, "display", s.url("/d?name=Hall"), readerOf("#picture"))}
	d.waitState(joinTime, "code")
	c := st.openCaster(t, s, "")
	c.castTo(s.keepSecret(d.code()))
	d.settle()
	watchAll(t, []*viewer{{d.window}}, d.receiving().Codec)
	c.click("#stop")
	d.waitState(joinTime, "code")
}

// TestFirefoxCasts has a caster in Firefox, with its camera: there is no screen to capture where it has no window.
func TestFirefoxCasts(t *testing.T) {
	st := onStage(t)
	s := st.serve(t)
	c := &caster{st.firefox(t).open(t, "caster", s.url("/"))}
	c.waitState(joinTime, "idle")
	c.click("#start")
	c.waitState(joinTime, "choosing")
	c.click("#camera")
	c.waitState(joinTime, "live")
	v := st.joinLink(t, s, "viewer", s.keepSecret(c.roomCode()), "")
	v.waitState(joinTime, "live")
	start := v.receiving()
	began := time.Now()
	var r receiving
	eventually(t, joinTime, "100 frames", func() (bool, string) {
		r = v.receiving()
		return r.Decoded-start.Decoded >= 100, fmt.Sprintf("%+v since %+v; %s", r, start, v.describe())
	})
	f := v.figures()
	t.Logf("%d frames in %d ms: %+v, %dx%d", r.Decoded-start.Decoded, time.Since(began).Milliseconds(), r, f.Width, f.Height)
	if f.Dark > 0 || f.Width == 0 {
		t.Errorf("there is no picture: %v", f)
	}
}
