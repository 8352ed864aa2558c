// Rejected rows whose content is kept, in the order of their refusal.
function (doc) {
  if (doc.reason && !doc.emptied) {
    emit([doc.refused, doc.number], null);
  }
}
