package inspect

// Reword passes every sentence of the report through f. A nil report stays.
func (r *Report) Reword(f func(sentence string) string) {
	if r == nil {
		return
	}
	r.Detail = f(r.Detail)
	for i := range r.Findings {
		r.Findings[i].Message, r.Findings[i].Next = f(r.Findings[i].Message), f(r.Findings[i].Next)
	}
	if r.Climate != nil {
		r.Climate.Detail = f(r.Climate.Detail)
		r.Climate.Source = f(r.Climate.Source)
	}
}
