// How many rows each month holds: [interactions, ignored]; how many are quarantined, by reason; and
// how many of all these were collected, and are no rows of the source.
function (doc) {
  for (var month in doc.held || {}) {
    emit(["month", month], doc.held[month]);
    if (doc.collected) {
      emit(["collected", month], [doc.held[month][0] + doc.held[month][1]]);
    }
  }
  if (doc.reason) {
    emit(["rejected", doc.reason], [1]);
    if (doc.collected) {
      emit(["collected", "rejected"], [1]);
    }
  }
}
