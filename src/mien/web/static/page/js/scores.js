// From raw shares to what a person reads: votes, counts of ten, percentages.

// Same as mien.emotions.votes_from_ballot, for one row.
export function votesFromBallot(ballot, numbers) {
  const total = Math.max(sum(ballot), 1e-12);
  const seven = numbers.seven.map((at) => ballot[at] / total);
  const whole = sum(seven);
  const votes = seven.map((share) => (whole > 0 ? share / Math.max(whole, 1e-12) : 1 / 7));
  return { votes, unclear: sum(numbers.unclear.map((at) => ballot[at] / total)) };
}

// Same as mien.mix.Mix.apply, for one row.
export function mixed(label, votes, { share, offsets }, tiny) {
  const log = (value) => Math.log(Math.max(value, tiny));
  const logs = label.map((p, k) => share * log(p) + (1 - share) * log(votes[k]) + offsets[k]);
  const most = Math.max(...logs);
  const odds = logs.map((value) => Math.exp(value - most));
  const total = sum(odds);
  return odds.map((value) => value / total);
}

// Largest remainders: how `people` split so that the counts add up.
export function split(shares, people = 10) {
  const exact = shares.map((share) => share * people);
  const counts = exact.map(Math.floor);
  const byRest = exact.map((value, i) => [value - counts[i], i]).sort((a, b) => b[0] - a[0]);
  for (let left = people - sum(counts), k = 0; k < left; k++) counts[byRest[k][1]]++;
  return counts;
}

export function percent(share) {
  if (share > 0 && share < 0.005) return "<1%";
  return `${Math.round((share < 1 ? Math.min(share, 0.99) : 1) * 100)}%`;
}

export function outOfTen(share) {
  return Math.round(share * 10);
}

// The index of the highest score of a face under a head ("expression", "votes" or "label"), first
// of equals.
export function top(face, head, emotions) {
  let best = 0;
  for (let i = 1; i < emotions.length; i++)
    if (face[head][emotions[i].id] > face[head][emotions[best].id]) best = i;
  return best;
}

function sum(values) {
  return values.reduce((a, b) => a + b, 0);
}
