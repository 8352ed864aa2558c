// Batches of which it is not certain that all their documents are counted.
function (doc) {
  if (doc.open) {
    emit(doc.opened, null);
  }
}
