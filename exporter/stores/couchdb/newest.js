// The newest timestamp that each batch brought.
function (doc) {
  if (doc.newest) {
    emit(doc.newest, null);
  }
}
