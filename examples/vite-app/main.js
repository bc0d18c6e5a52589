document.querySelector('#where').textContent = `This is ${location.host}, today and tomorrow.`
