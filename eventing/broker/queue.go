package broker

// queue is a first-in-first-out list that gives its memory back as it drains.
type queue struct {
	items []delivery
	head  int
}

func (q *queue) len() int { return len(q.items) - q.head }

func (q *queue) push(d delivery) { q.items = append(q.items, d) }

// pop removes one of the queued deliveries, the oldest unless pick names another. It must not be empty.
func (q *queue) pop(pick func(n int) int) delivery {
	if pick != nil {
		i := q.head + min(max(pick(q.len()), 0), q.len()-1)
		q.items[q.head], q.items[i] = q.items[i], q.items[q.head]
	}
	d := q.items[q.head]
	q.items[q.head] = delivery{}
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = nil, 0
	} else if q.head > 1024 && q.head*2 > len(q.items) {
		q.items = append([]delivery(nil), q.items[q.head:]...)
		q.head = 0
	}
	return d
}
