package codec

// PictureSize is the size of the picture in pixels that the keyframe beginning with payload has: of VP8, and of
// whatever has a dependency descriptor that says it. It is 0, 0 where it is not known.
func PictureSize(kind Kind, payload []byte, info *Traits) (width, height int) {
	if s := info.Structure; s != nil {
		for l := range s.Width {
			width, height = max(width, int(s.Width[l])), max(height, int(s.Height[l]))
		}
		if width > 0 {
			return width, height
		}
	}
	if kind == VP8 {
		return vp8Size(payload)
	}
	return 0, 0
}
