package git

// SetFetchLimit bounds what one fetch may bring.
func (h *Host) SetFetchLimit(n int64) { h.fetchLimit = n }

// SetPackLimit says from how many packs on they are joined.
func (h *Host) SetPackLimit(n int) { h.packLimit = n }
