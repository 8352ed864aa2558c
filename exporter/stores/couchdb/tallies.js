// Counts by hour, to be added up by _sum. A row is [hour, row tile, slot tile, numbers]; numbers
// are an array, or an object of few: position -> number. In the overflow (slot tile -1) each
// number has a row of its own.
function (doc) {
  function filled(numbers) {
    var array = [];
    for (var position in numbers) {
      while (array.length <= position) { // an array with holes takes QuickJS ten times as long
        array.push(0);
      }
      array[position] = numbers[position];
    }
    return array;
  }
  for (var generation in doc.tallies || {}) {
    doc.tallies[generation].forEach(function (row) {
      var key = [Number(generation), row[1], row[2], Math.floor(row[0] / 24), row[0]];
      var numbers = row[3];
      if (row[2] >= 0) {
        emit(key, Array.isArray(numbers) ? numbers : filled(numbers));
        return;
      }
      for (var position in numbers) {
        emit(key.concat([Number(position)]), numbers[position]);
      }
    });
  }
}
