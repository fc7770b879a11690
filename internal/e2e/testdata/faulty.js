console.error('said by the page');
setTimeout(() => { throw new Error('caught by nobody'); });
Promise.reject(new Error('handled by nobody'));
