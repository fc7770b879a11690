package signal

import (
	"encoding/json"
	"net/http"
	"time"
)

// layersEvery is how often the media plane is asked for a room's layers at most.
const layersEvery = time.Second

// layersOf is what the room's cast has to choose from, as it was within the last second.
func (h *Hub) layersOf(r *Room) (list []Layer) {
	ask, cast := false, ""
	h.section(func() {
		if now := time.Now(); now.Sub(r.layersAt) >= layersEvery {
			r.layersAt, ask = now, true
		}
		list, cast = r.layers, r.cast
	})
	if !ask {
		return list
	}
	defer h.caught("Media.Layers")
	list = h.cfg.Media.Layers(cast)
	h.section(func() { r.layers = list })
	return list
}

// The data of a layers event, m-line by m-line. The draft writes the height wrong in one place and right in another,
// so players look for either.
type (
	lineLayers struct {
		Active   []encodingState `json:"active"`
		Inactive []encodingState `json:"inactive"`
		Layers   []layerState    `json:"layers"`
	}
	encodingState struct {
		ID      string `json:"id"`
		Index   int    `json:"simulcastIdx"`
		Bitrate int    `json:"bitrate,omitempty"`
		Width   int    `json:"width,omitempty"`
		Height  int    `json:"height,omitempty"`
		Heigth  int    `json:"heigth,omitempty"`
	}
	layerState struct {
		Encoding string `json:"encodingId"`
		Index    int    `json:"simulcastIdx"`
		Spatial  int    `json:"spatialLayerId"`
		Temporal int    `json:"temporalLayerId"`
		Bitrate  int    `json:"bitrate,omitempty"`
		Width    int    `json:"width,omitempty"`
		Height   int    `json:"height,omitempty"`
		Heigth   int    `json:"heigth,omitempty"`
	}
)

// layersByLine sorts the layers of a cast by the m-lines of a player, which are called by their mid.
func layersByLine(list []Layer, slots map[string]string) map[string]lineLayers {
	lines := map[string]lineLayers{}
	for mid, slot := range slots {
		line := lineLayers{Active: []encodingState{}, Inactive: []encodingState{}, Layers: []layerState{}}
		index := 0
		for _, l := range list {
			if l.Slot != slot {
				continue
			}
			bitrate := l.Bitrate / 50_000 * 50_000 // so that a breath of the encoder is no news
			one := encodingState{l.RID, index, bitrate, l.Width, l.Height, l.Height}
			if l.Active {
				line.Active = append(line.Active, one)
				for temporal := l.Temporal; temporal >= 0; temporal-- {
					line.Layers = append(line.Layers, layerState{l.RID, index, 0, temporal, 0, l.Width, l.Height, l.Height})
				}
			} else {
				line.Inactive = append(line.Inactive, one)
			}
			index++
		}
		if index > 0 {
			lines[mid] = line
		}
	}
	return lines
}

// layerRequest is a player's wish. RID is what the newer drafts call it, EncodingID the older ones.
type layerRequest struct {
	MediaID          *string
	RID              string
	EncodingID       string
	SpatialLayerID   *int
	TemporalLayerID  *int
	MaxSpatialLayer  *int `json:"maxSpatialLayerId"`
	MaxTemporalLayer *int `json:"maxTemporalLayerId"`
	MaxWidth         int
	MaxHeight        int
	MaxHeigth        int
}

// maxPixels and maxLayerID bound what a player may say.
const (
	maxPixels  = 1 << 16
	maxLayerID = 7 // three bits in every codec's header
)

// layer takes a player's wish for a layer.
func (h *Hub) layer(w http.ResponseWriter, r *http.Request, res *resource) *Error {
	body, refused := readBody(w, r, typeJSON)
	if refused != nil {
		return refused
	}
	mid, wish, refused := readWish(body)
	if refused != nil {
		return refused
	}
	slot, ok := slotOfLine(res.slots, mid)
	if !ok {
		return refuse(CodeBadMessage, "no m-line for pictures has that mediaId")
	}
	gone := false
	h.section(func() {
		gone = res.session.guest != res
		wish = res.session.grant.within(wish)
	})
	if gone {
		return errGone()
	}
	h.cfg.Media.Prefer(res.session.peer, slot, wish)
	w.WriteHeader(http.StatusOK)
	return nil
}

// readWish reads the body of a request for a layer. mid is "" for the first picture.
func readWish(body string) (mid string, wish Wish, refused *Error) {
	var m layerRequest
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		return "", Wish{}, refuse(CodeBadMessage, "the body has to be an object with a mediaId and a layer")
	}
	wish = Automatic
	wish.RID = m.RID
	if wish.RID == "" {
		wish.RID = m.EncodingID
	}
	wish.Width, wish.Height = m.MaxWidth, m.MaxHeight
	if wish.Height == 0 {
		wish.Height = m.MaxHeigth
	}
	ok := len(wish.RID) <= maxMid && wish.Width >= 0 && wish.Width <= maxPixels && wish.Height >= 0 && wish.Height <= maxPixels
	for _, id := range []struct {
		given *int
		into  *int
	}{
		{m.SpatialLayerID, &wish.Spatial},
		{m.MaxSpatialLayer, &wish.Spatial},
		{m.TemporalLayerID, &wish.Temporal},
		{m.MaxTemporalLayer, &wish.Temporal},
	} {
		if id.given == nil {
			continue
		}
		ok = ok && *id.given >= 0 && *id.given <= maxLayerID
		if *id.into < 0 || *id.given < *id.into {
			*id.into = *id.given
		}
	}
	if !ok {
		return "", Wish{}, refuse(CodeBadMessage, "a layer is out of range")
	}
	if m.MediaID != nil {
		mid = *m.MediaID
	}
	return mid, wish, nil
}

// slotOfLine finds the slot of a picture by the mid of its m-line. Without one it is the first picture.
func slotOfLine(slots map[string]string, mid string) (slot string, ok bool) {
	if mid == "" {
		return slotScreen, taken(slots, slotScreen)
	}
	slot, ok = slots[mid]
	return slot, ok && slot != slotAudio
}
