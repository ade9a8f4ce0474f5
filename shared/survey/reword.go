package survey

// Reword passes every sentence of the report through f. A nil report stays.
func (r *Report) Reword(f func(sentence string) string) {
	if r == nil {
		return
	}
	r.Detail = f(r.Detail)
	for i, w := range r.Warnings {
		r.Warnings[i] = f(w)
	}
	if r.Climate != nil {
		r.Climate.Detail = f(r.Climate.Detail)
		r.Climate.Source = f(r.Climate.Source)
	}
}
