package git

// SetFetchLimit bounds what one fetch may bring.
func (h *Host) SetFetchLimit(n int64) { h.fetchLimit = n }
