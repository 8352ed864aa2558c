// Counts by hour, to be added up by _sum. A row is [hour, row tile, slot tile, numbers];
// in the overflow (slot tile -1) the numbers are [position, number] pairs.
function (doc) {
  for (var generation in doc.tallies || {}) {
    doc.tallies[generation].forEach(function (row) {
      var key = [Number(generation), row[1], row[2], Math.floor(row[0] / 24), row[0]];
      if (row[2] >= 0) {
        emit(key, row[3]);
        return;
      }
      row[3].forEach(function (pair) {
        emit(key.concat([pair[0]]), pair[1]);
      });
    });
  }
}
