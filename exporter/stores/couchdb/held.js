// How many rows each month holds: [interactions, ignored]; and how many are set aside, by reason.
function (doc) {
  for (var month in doc.held || {}) {
    emit(["month", month], doc.held[month]);
  }
  if (doc.reason) {
    emit(["rejected", doc.reason], [1]);
  }
}
