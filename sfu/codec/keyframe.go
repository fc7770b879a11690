package codec

// Keyframe says whether payload begins a frame that a decoder can start with. mime is the codec's RTP name
// ("video/VP8", any case); payload is an RTP payload without padding. For codecs without such frames (audio)
// and unknown ones it returns false.
func Keyframe(mime string, payload []byte) bool {
	kind := KindOf(mime)
	if !kind.Video() {
		return false
	}
	info, ok := Inspect(kind, payload, nil)
	return ok && info.Keyframe
}
